//! The application on actix.
