//! What the command prints.

use std::io::Write;

/// Prints, if anybody reads: `print!` panics when a pipe is closed or a log's disk is full.
pub(crate) fn say(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
