//! The application on poem.
