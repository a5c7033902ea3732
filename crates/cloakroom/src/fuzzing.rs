//! The properties that the fuzz targets check, for `cargo fuzz` alone.

pub use crate::client_address::properties::*;
pub use crate::cookie::properties::*;
pub use crate::envelope::properties::*;
pub use crate::token::properties::*;
