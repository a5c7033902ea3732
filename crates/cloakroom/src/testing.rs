//! What an application's own tests need.

mod jar;

pub use jar::Jar;
