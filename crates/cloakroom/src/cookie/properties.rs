//! What holds for every input: checked by the tests and by the fuzz targets.

use super::*;

/// The scanner finds what a slow and obvious reading of the grammar finds, and nothing twice.
///
/// The first byte of `field` chooses the name that is looked for.
pub fn scan_finds_what_a_naive_reading_finds(data: &[u8]) {
    let Some((choice, field)) = data.split_first() else { return };
    let name: &[u8] = [b"__Host-id", &b"id"[..], b"i"][usize::from(choice % 3)];

    let mut found = Vec::new();
    let flow = scan(field, name, &mut |value| {
        found.push(value.to_vec());
        ControlFlow::Continue(())
    });
    assert!(flow.is_continue());
    assert_eq!(found, naive(field, name));

    // The first value is all that a visitor who has seen enough gets.
    let mut first = None;
    let flow = scan(field, name, &mut |value| {
        assert!(first.replace(value.to_vec()).is_none());
        ControlFlow::Break(())
    });
    assert_eq!(flow.is_break(), !found.is_empty());
    assert_eq!(first, found.into_iter().next());
}

fn naive(field: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let trimmed = |bytes: &[u8]| -> Vec<u8> {
        let mut bytes: Vec<u8> = bytes.iter().copied().skip_while(|byte| blank(byte)).collect();
        while bytes.last().is_some_and(blank) {
            bytes.pop();
        }
        bytes
    };
    let mut pairs = vec![Vec::new()];
    for byte in field {
        if *byte == b';' {
            pairs.push(Vec::new());
        } else if let Some(last) = pairs.last_mut() {
            last.push(*byte);
        }
    }
    let mut values = Vec::new();
    for pair in pairs {
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
        if trimmed(&pair[..equals]) == name {
            values.push(trimmed(&pair[equals + 1..]));
        }
    }
    values
}
