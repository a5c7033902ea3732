//! No acknowledged change is lost, on any store, in any locking mode.
