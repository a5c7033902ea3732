//! What a session does for an application: values, keys, snapshots, conflicts.

mod conflicts;
mod ends;
mod expiry;
mod identity;
mod initial;
mod limits;
mod origin;
mod page;
mod values;
