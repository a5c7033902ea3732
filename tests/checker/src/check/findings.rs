use std::fmt;

use crate::excerpt::excerpt;
use crate::history::History;

/// A property that does not hold.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The property, as SAFETY names it: `U1`.
    pub property: &'static str,
    /// What the history was made from.
    pub seed: Option<u64>,
    /// What is wrong.
    pub explanation: String,
    /// The requests concerned, by their number.
    pub requests: Vec<usize>,
    /// The same, written out.
    pub excerpt: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not hold: {}\n{}", self.property, self.explanation, self.excerpt)
    }
}

/// The properties that are checked.
pub const PROPERTIES: &[&str] = &[
    "U1", "U2", "U4", "U7", "D1", "D3", "D4", "D5", "I1", "I2", "I3", "I5", "R1", "R2", "R3", "R4", "F18",
    "L1", "L2", "H1", "H2", "H3", "H4",
];

/// What was found so far.
pub(super) struct Findings<'a> {
    history: &'a History,
    pub(super) violations: Vec<Violation>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        Self { history, violations: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        property: &'static str,
        requests: impl IntoIterator<Item = usize>,
        explanation: impl Into<String>,
    ) {
        assert!(PROPERTIES.contains(&property), "{property} is not listed");
        let mut requests: Vec<_> = requests.into_iter().collect();
        requests.sort_unstable();
        requests.dedup();
        let excerpt = excerpt(self.history, &requests);
        let explanation = explanation.into();
        self.violations.push(Violation { property, seed: self.history.seed, explanation, requests, excerpt });
    }
}
