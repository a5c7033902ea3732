//! What the measurements share: an allocator that counts, requests to send, and times.

mod counting;
pub mod frameworks;
pub mod requests;
mod times;

pub use counting::{allocated_bytes, allocations};
pub use times::{Times, key, loads_beside};
