//! The application on hyper.
