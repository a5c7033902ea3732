//! What holds between several processes that share one store. Letters and numbers in doc comments are those of
//! the properties and failures that the design lists.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod backends;
mod counting;
mod ends;
mod histories;
mod kills;
mod restarts;
mod servers;
mod stopped;
mod unplugged;
mod visitors;
