//! Sessions in PostgreSQL, MySQL, MariaDB and SQLite.

mod builder;
mod connections;
mod error;
mod purge;
mod record;
mod schema;
mod table;

#[cfg(feature = "postgres")]
mod postgres;

pub use builder::Builder;
pub use error::OpenError;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
