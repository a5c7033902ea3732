//! The application on rocket.
