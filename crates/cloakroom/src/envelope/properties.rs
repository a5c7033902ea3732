//! What holds for every input: checked by the tests and by the fuzz targets.

use super::*;

/// Bytes are refused or are exactly what writing the session they hold gives again; whatever is cut off
/// or added makes them unreadable.
///
/// `data` is tried as it is, and once more with a version and flags that are known.
pub fn bytes_are_refused_or_written_again_as_they_are(data: &[u8]) {
    check(data);
    if let [_, flags, rest @ ..] = data {
        let flags = flags & ALL_FLAGS;
        let flags = if flags & ADDRESS_V4 != 0 { flags & !ADDRESS_V6 } else { flags };
        check(&[&[VERSION, flags], rest].concat());
    }
}

fn check(data: &[u8]) {
    let shared = Arc::from(data);
    let Ok((header, entries)) = read(&shared) else { return };
    assert_eq!(write(&header, entries.iter()), data);

    assert_eq!(entries.iter().count(), entries.len());
    assert!(entries.iter().is_sorted_by(|(a, _), (b, _)| a < b));
    for (key, value) in entries.iter() {
        assert_eq!(entries.get(key), Some(value));
        let absent = format!("{key}\0");
        let known = entries.iter().any(|(other, _)| other == absent);
        assert_eq!(entries.get(&absent).is_some(), known);
    }

    let cut = data.len().saturating_sub(MAX_CUTS)..data.len();
    for len in cut {
        assert!(read(&Arc::from(&data[..len])).is_err(), "cut to {len} of {} bytes", data.len());
    }
    assert!(read(&Arc::from([data, &[0]].concat())).is_err(), "one byte too many");
}

/// Keeps the work on long inputs linear.
const MAX_CUTS: usize = 300;
