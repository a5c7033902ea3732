//! Sessions in Redis and Valkey: standalone, sentinel and cluster.

mod address;
mod bell;
mod builder;
mod cluster;
mod error;
mod eviction;
mod fields;
mod leases;
mod link;
mod reply;
mod route;
mod scan;
mod script;
mod sentinel;
mod server;
mod space;
mod store;
mod subjects;
mod together;

pub use builder::Builder;
pub use error::ConnectError;
pub use store::RedisStore;
