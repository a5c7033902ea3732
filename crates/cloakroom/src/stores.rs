//! The stores that need no driver.

#[cfg(unix)]
mod file;
mod memory;

#[cfg(unix)]
pub use file::{Durability, FileStore, FileStoreBuilder};
pub use memory::{MemoryStore, MemoryStoreBuilder};
