//! Expiry, sign-out, and sessions ended from elsewhere (SECURITY E).
