//! The application on tower.
