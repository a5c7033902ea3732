//! What is told about sessions, and what never is.
