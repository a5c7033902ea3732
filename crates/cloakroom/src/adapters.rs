//! One module for each framework, named by its version. An adapter opens the session, puts it where handlers find it,
//! and applies what closing it answers; nothing else.

#[cfg(feature = "axum_v0_8")]
pub mod axum_v0_8;
#[cfg(feature = "tower")]
pub mod tower;
