use std::borrow::Cow;
use std::fmt;

/// A setting that cannot be used.
///
/// Its message names the setting, the value, and what to do: one line, ready to be shown to whoever
/// wrote the configuration. Values of secret settings are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    value: Option<String>,
    reason: Cow<'static, str>,
}

impl ConfigError {
    /// `setting = value` cannot be used, and why.
    pub(crate) fn new(
        setting: &'static str,
        value: impl fmt::Display,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { setting, value: Some(value.to_string()), reason: reason.into() }
    }

    /// The same for a setting whose value must not be shown.
    pub(crate) fn hidden(setting: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { setting, value: None, reason: reason.into() }
    }

    /// The name of the setting, as in [`Settings`](crate::Settings).
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value:?}: {}", self.setting, self.reason),
            None => write!(f, "{}: {}", self.setting, self.reason),
        }
    }
}

impl std::error::Error for ConfigError {}
