//! The stored sessions in `golden/envelope`: written once, and read by every version since.

use std::path::Path;
use std::sync::Arc;

/// The bytes in `NAME.hex`.
pub(crate) fn golden(name: &str) -> Arc<[u8]> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/envelope");
    let text = std::fs::read_to_string(folder.join(name).with_extension("hex")).unwrap();
    let digits = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    digits.flat_map(str::split_whitespace).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}
