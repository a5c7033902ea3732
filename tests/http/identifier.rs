//! Tokens (SECURITY A).
