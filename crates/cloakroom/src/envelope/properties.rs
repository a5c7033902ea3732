//! What holds for every input: checked by the tests and by the fuzz targets.

use super::*;

/// Bytes are refused or are exactly what writing the session they hold gives again. What is cut off or added
/// makes them unreadable, unless it is the last tag; and of another version is all that can be told whose secret it is.
///
/// `data` is tried as it is, once more with a version and flags that are known, and as a session of a later version.
pub fn bytes_are_refused_or_written_again_as_they_are(data: &[u8]) {
    check(data);
    if let [_, flags, rest @ ..] = data {
        let flags = flags & ALL_FLAGS;
        let flags = if flags & ADDRESS_V4 != 0 { flags & !ADDRESS_V6 } else { flags };
        check(&[&[VERSION, flags], rest].concat());
        let later = read(&Arc::from([&[VERSION + 1, flags], rest].concat())).expect_err("a later version");
        assert_eq!(later == Unreadable::Damaged, data.len() < GUARD.end);
    }
}

fn check(data: &[u8]) {
    let shared = Arc::from(data);
    let envelope = match read(&shared) {
        Ok(envelope) => envelope,
        Err(Unreadable::Damaged) => return,
        Err(Unreadable::Newer { verifier }) => return assert_eq!(data[GUARD], *verifier.as_bytes()),
    };
    let Envelope { header, entries, extensions, .. } = &envelope;
    let written = rewritten(&envelope, Bits::default());
    assert_eq!(&*written.data, data);
    assert_eq!((&written.header, written.entries.size()), (header, entries.size()));
    assert!(written.entries.iter().eq(entries.iter()), "what was written is what is read");
    assert!(written.extensions.with(Bits::default()).eq(extensions.with(Bits::default())));

    assert_eq!(entries.iter().count(), entries.size().count);
    assert!(entries.iter().is_sorted_by(|(a, _), (b, _)| a < b));
    for (key, value) in entries.iter() {
        assert_eq!(entries.get(key), Some(value));
        let absent = format!("{key}\0");
        let known = entries.iter().any(|(other, _)| other == absent);
        assert_eq!(entries.get(&absent).is_some(), known);
    }

    let survives = Bits::SURVIVES_WRITE.and(Bits::SURVIVES_NEW_SECRET);
    let kept = rewritten(&envelope, survives);
    assert!(kept.extensions.with(Bits::default()).eq(extensions.with(survives)), "tags are kept as they are");
    assert!(kept.entries.iter().eq(entries.iter()), "whatever becomes of the tags");
    assert!(read(&kept.data).is_ok());

    let tags: Vec<_> = extensions.with(Bits::default()).collect();
    assert_eq!(tags.is_empty(), extensions.is_empty());
    let ends_of_tags: Vec<_> = (0..tags.len())
        .map(|kept| data.len() - tags[kept..].iter().map(|tag| tag.len()).sum::<usize>())
        .collect();
    let cut = data.len().saturating_sub(MAX_CUTS)..data.len();
    for len in cut {
        let readable = read(&Arc::from(&data[..len])).is_ok();
        assert_eq!(readable, ends_of_tags.contains(&len), "cut to {len} of {} bytes", data.len());
    }
    assert!(read(&Arc::from([data, &[0]].concat())).is_err(), "one byte too many");
}

/// The same session with the tags that have these bits.
fn rewritten(envelope: &Envelope, bits: Bits) -> Envelope {
    let Envelope { header, entries, extensions, .. } = envelope;
    write(header.clone(), entries.size(), entries.iter(), extensions.with(bits))
}

/// Keeps the work on long inputs linear.
const MAX_CUTS: usize = 300;
