//! The application on salvo.
