//! What the measurements share: an allocator that counts, and requests to send.

mod counting;
pub mod requests;

pub use counting::{allocated_bytes, allocations};
