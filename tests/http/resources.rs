//! What cannot be used up (SECURITY G).
