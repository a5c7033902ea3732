//! Replies of Redis, taken apart.

use redis::Value;

/// A number; `None` if the reply is something else.
pub(crate) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

/// So many values.
pub(crate) fn values<const N: usize>(value: Value) -> Option<[Value; N]> {
    match value {
        Value::Array(values) => values.try_into().ok(),
        _ => None,
    }
}

/// A string, or nothing where there is none.
pub(crate) fn string(value: Value) -> Option<Option<Vec<u8>>> {
    match value {
        Value::BulkString(bytes) => Some(Some(bytes)),
        Value::Nil => Some(None),
        _ => None,
    }
}

/// A list of strings.
pub(crate) fn strings(value: Value) -> Option<Vec<Vec<u8>>> {
    match value {
        Value::Array(values) => values.into_iter().map(|value| string(value)?).collect(),
        _ => None,
    }
}

/// The string at the beginning of a list.
pub(crate) fn first_string(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Array(values) => values.into_iter().next().and_then(string)?,
        _ => None,
    }
}
