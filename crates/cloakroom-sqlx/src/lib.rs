//! Sessions in PostgreSQL, MySQL, MariaDB and SQLite.
