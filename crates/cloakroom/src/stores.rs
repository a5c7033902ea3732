//! The store that needs no driver.

mod memory;

#[doc(no_inline)]
pub use cloakroom_store::{OpenError, OpenErrorKind};
pub use memory::{MemoryStore, MemoryStoreBuilder};
