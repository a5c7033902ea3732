use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::ConfigError;
use crate::keys::WriteKey;

/// Values that keys have before anything is written to them.
///
/// Reads fall back to them; they are not stored, and a key that is removed, or a session that is cleared, returns to
/// them.
///
/// ```
/// use cloakroom::{Initializer, Settings};
///
/// # fn main() -> Result<(), cloakroom::ConfigError> {
/// let settings = Settings::new().initializer(Initializer::new().with("count", &0)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Initializer(BTreeMap<String, Box<[u8]>>);

impl Initializer {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value for `key`, instead of any it had.
    ///
    /// # Errors
    /// If the value cannot be written as JSON.
    pub fn with<T: Serialize + ?Sized>(
        mut self,
        key: impl WriteKey<T>,
        value: &T,
    ) -> Result<Self, ConfigError> {
        let key = key.name();
        let json = serde_json::to_vec(value)
            .map_err(|_| ConfigError::new("initializer", key, "its value cannot be written as JSON"))?;
        self.0.insert(key.to_owned(), json.into());
        Ok(self)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(|json| &**json)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(key, json)| (key.as_str(), &**json))
    }
}

impl fmt::Debug for Initializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<'de> Deserialize<'de> for Initializer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        let json = |(key, value): (String, serde_json::Value)| (key, value.to_string().into_bytes().into());
        Ok(Self(values.into_iter().map(json).collect()))
    }
}
