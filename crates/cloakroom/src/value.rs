//! Values as bytes: JSON, one document for each key, so that one that cannot be read spoils no other.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

/// Encodes the value for `key`, nested at most `max_depth` deep.
pub(crate) fn encode<T: Serialize + ?Sized>(key: &str, value: &T, max_depth: usize) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(value).map_err(|_| {
        let type_name = std::any::type_name::<T>();
        Error::with_detail(ErrorKind::Value, format!("the {type_name} for {key:?} cannot be written as JSON"))
    })?;
    if depth(&bytes) > max_depth {
        let detail = format!("the value for {key:?} is nested more than max_depth = {max_depth} deep");
        return Err(Error::with_detail(ErrorKind::TooLarge, detail));
    }
    Ok(bytes)
}

/// Decodes the value of `key`. The error names the key and the type, and nothing of the value.
pub(crate) fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8], max_depth: usize) -> Result<T> {
    let type_name = std::any::type_name::<T>();
    let refuse =
        |what| Error::with_detail(ErrorKind::Value, format!("the value of {key:?} {what} {type_name}"));
    if depth(bytes) > max_depth {
        return Err(refuse("is nested too deep to be read as"));
    }
    serde_json::from_slice(bytes).map_err(|_| refuse("is not a"))
}

/// How deep arrays and objects are nested in a JSON text.
pub(crate) fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => _ = bytes.next(),
            b'"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_nesting_outside_of_strings() {
        for (json, expected) in
            [("1", 0), ("[]", 1), (r#"{"a":[1,{"b":2}]}"#, 3), (r#"["[[[\"[[["]"#, 1), ("[[],[[]]]", 3)]
        {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn an_error_names_key_and_type_and_never_the_value() {
        let error = decode::<u64>("count", br#""hunter2""#, 64).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
        let text = format!("{error} {error:?}");
        assert!(text.contains("count") && text.contains("u64"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn what_is_nested_too_deep_is_neither_written_nor_read() {
        let nested: serde_json::Value = serde_json::from_str("[[[1]]]").unwrap();
        assert_eq!(encode("k", &nested, 2).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(encode("k", &nested, 3).unwrap(), b"[[[1]]]");
        assert_eq!(decode::<serde_json::Value>("k", b"[[[1]]]", 2).unwrap_err().kind(), ErrorKind::Value);
    }
}
