//! What the `cloakroom` command is made of and its tests need as well: the way from a line of text to a store.

pub mod store;
