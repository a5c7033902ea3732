//! The tests that are the same for every database, and what all tests use. Each database's program includes this; its modules
//! `dialect`, `database` and `transactions` say which database that is.

#![allow(dead_code, reason = "not every database uses all of it")]

mod claims;
mod conformance;
mod failures;
mod leases;
mod migration;
mod pool;
mod table;
mod values;

pub(crate) use table::{Table, fresh};
pub(crate) use values::{
    ann, anns, at, cause, claim, claim_for, drop_after, fresh_key, fresh_table, record, text, until,
};
