//! Sessions for Rocket.
