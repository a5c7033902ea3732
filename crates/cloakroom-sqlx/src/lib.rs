//! Sessions in the database that an application already has: PostgreSQL, MySQL, MariaDB or SQLite.
//!
//! `PostgresStore`, `MySqlStore` and `SqliteStore` implement the contract of [cloakroom](https://docs.rs/cloakroom) on
//! [sqlx](https://docs.rs/sqlx), with all of its facets. Each is a feature (`postgres`, `mysql`, `sqlite`); none is on by itself.
//! They need a tokio runtime.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cloakroom_sqlx::PostgresStore;
//!
//! let store = PostgresStore::connect("postgres://user:password@host/database").await?;
//! store.migrate().await?; // creates the table if it does not exist
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//!
//! - **Atomicity.** Every change of a session is one statement, which commits by itself. The store leaves no transaction open, and
//!   a session is the old or the new version, never a mixture.
//! - **Durability.** An acknowledged change is on the disk if the server syncs its commits, as servers do by default. Leases in
//!   PostgreSQL are an exception.
//! - **Sharing.** Any number of processes may use one table; with SQLite, those of one machine.
//! - **Failures.** A write is sent once. If no reply comes, the error says that it [may have been
//!   applied](cloakroom_store::Error::maybe_applied). A call that is dropped closes its connection.
//!
//! Connections are the store's own, or those of a pool that the application has (`builder().pool(…)`): sqlx's pools are part of this
//! crate's interface on purpose, in sqlx's version 0.9. On such a pool each call takes one more round trip, to end a transaction
//! that the application may have left open on the connection.
//!
//! The README describes each database in detail, and the costs.

#![cfg_attr(
    not(all(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(dead_code, unused_imports, unused_macros, reason = "no database uses all that the three share")
)]

mod connections;
mod error;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod table;

pub use cloakroom_store::{OpenError, OpenErrorKind};
#[cfg(feature = "mysql")]
pub use mysql::MySqlStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use store::Builder;
