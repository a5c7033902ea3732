//! Sessions in memcached.
