//! The properties that the fuzz targets check, for `cargo fuzz` alone.

pub use crate::item::properties::*;
pub use crate::protocol::properties::*;
