//! What this store promises beyond the contract. The contract itself is checked by the conformance suite.

use std::fmt;
use std::io;

use super::disk::Change;

/// Is told of every change to the disk before it is made, and may refuse it.
pub(super) trait Observer: fmt::Debug + Send + Sync {
    fn about_to(&self, change: &Change<'_>) -> io::Result<()>;
}
