//! One module for each framework, named by its version. An adapter opens the session, puts it where handlers find it,
//! and applies what closing it answers; nothing else.

#[cfg(feature = "actix_v4")]
pub mod actix_v4;
#[cfg(feature = "axum_v0_8")]
pub mod axum_v0_8;
#[cfg(feature = "http_v1")]
pub mod http_v1;
#[cfg(any(
    feature = "axum_v0_8",
    feature = "actix_v4",
    feature = "rocket_v0_5",
    feature = "poem_v3",
    feature = "salvo_v1"
))]
mod missing;
#[cfg(any(feature = "http_v1", feature = "actix_v4"))]
mod nested;
#[cfg(feature = "http_v1")]
mod peer;
#[cfg(feature = "poem_v3")]
pub mod poem_v3;
#[cfg(feature = "rocket_v0_5")]
pub mod rocket_v0_5;
#[cfg(feature = "salvo_v1")]
pub mod salvo_v1;
#[cfg(feature = "tower")]
pub mod tower;
