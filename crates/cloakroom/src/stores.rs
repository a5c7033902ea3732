//! The stores that need no driver.

mod memory;

pub use memory::{MemoryStore, MemoryStoreBuilder};
