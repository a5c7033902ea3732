use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// How many sessions one subject may have: the setting [`subject_limit`](crate::Settings::subject_limit).
///
/// Made from a number, or from `None` for no limit:
///
/// ```
/// use cloakroom::{Settings, SubjectLimit};
///
/// assert_eq!(Settings::new().subject_limit, SubjectLimit::Default);
/// assert_eq!(Settings::new().subject_limit(5).subject_limit, SubjectLimit::AtMost(5));
/// assert_eq!(Settings::new().subject_limit(None).subject_limit, SubjectLimit::Unlimited);
/// ```
///
/// In a settings file it is a number, `"none"` or `"default"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubjectLimit {
    /// 100 where the store lists the sessions of a subject, no limit elsewhere.
    #[default]
    Default,
    /// No limit.
    Unlimited,
    /// So many. The store must list the sessions of a subject.
    AtMost(usize),
}

impl SubjectLimit {
    /// The limit on a store that lists the sessions of a subject, or does not.
    pub(crate) fn at_most(self, lists_subjects: bool) -> Option<usize> {
        match self {
            Self::Default => lists_subjects.then_some(DEFAULT),
            Self::Unlimited => None,
            Self::AtMost(limit) => Some(limit),
        }
    }
}

impl From<usize> for SubjectLimit {
    fn from(limit: usize) -> Self {
        Self::AtMost(limit)
    }
}

impl From<Option<usize>> for SubjectLimit {
    fn from(limit: Option<usize>) -> Self {
        limit.map_or(Self::Unlimited, Self::AtMost)
    }
}

impl<'de> Deserialize<'de> for SubjectLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Limit)
    }
}

struct Limit;

impl<'de> Visitor<'de> for Limit {
    type Value = SubjectLimit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, \"none\" or \"default\"")
    }

    fn visit_u64<E: de::Error>(self, limit: u64) -> Result<SubjectLimit, E> {
        Ok(SubjectLimit::AtMost(usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    fn visit_i64<E: de::Error>(self, limit: i64) -> Result<SubjectLimit, E> {
        let limit =
            u64::try_from(limit).map_err(|_| E::invalid_value(de::Unexpected::Signed(limit), &self))?;
        self.visit_u64(limit)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SubjectLimit, E> {
        match text {
            "none" => Ok(SubjectLimit::Unlimited),
            "default" => Ok(SubjectLimit::Default),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    /// A format that has a word for nothing.
    fn visit_unit<E: de::Error>(self) -> Result<SubjectLimit, E> {
        Ok(SubjectLimit::Unlimited)
    }

    fn visit_none<E: de::Error>(self) -> Result<SubjectLimit, E> {
        Ok(SubjectLimit::Unlimited)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<SubjectLimit, D::Error> {
        SubjectLimit::deserialize(deserializer)
    }
}

const DEFAULT: usize = 100;
