use std::fmt;

/// Prints bytes as lower-case hexadecimal digits.
///
/// ```
/// assert_eq!(cloakroom_store::codec::hex(&[0, 0xab, 7]).to_string(), "00ab07");
/// ```
pub fn hex(bytes: &[u8]) -> impl fmt::Display {
    Hex(bytes)
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
