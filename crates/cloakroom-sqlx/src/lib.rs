//! Sessions in PostgreSQL, MySQL, MariaDB and SQLite.

mod builder;
mod connections;
mod error;
#[cfg(feature = "mysql")]
mod poll;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod purge;
mod record;
mod schema;
mod table;

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;

pub use builder::Builder;
pub use error::OpenError;
#[cfg(feature = "mysql")]
pub use mysql::MySqlStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
