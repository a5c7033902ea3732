//! The public test suite for stores.
