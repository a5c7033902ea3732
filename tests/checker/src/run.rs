//! Makes histories: browsers, schedules and faults in this process, all of it chosen by a seed.
//!
//! Requests go through a real router, without sockets, on one thread and on a clock that stands still. Every call of the
//! store is [parked](Lot) until the schedule lets it go on, and so are responses on their way to the browser and handlers
//! that pause. The schedule chooses when nothing else can happen, so the same seed makes the same history.

mod clock;
pub(crate) mod lot;
mod parked;
pub(crate) mod plan;
pub(crate) mod rng;
pub(crate) mod schedule;
pub(crate) mod stores;
mod traffic;

use std::env;
use std::fmt::Write;

use self::schedule::run;
use self::stores::Stores;
use crate::check::check;
use crate::check::findings::{PROPERTIES, Violation};
use crate::excerpt::excerpt;

/// Which seeds to try.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    first: u64,
    count: u64,
}

impl Budget {
    /// So many seeds, unless the environment says otherwise: `CLOAKROOM_HISTORY_SEEDS` is their number,
    /// `CLOAKROOM_HISTORY_SEED` is one to be tried alone.
    ///
    /// # Panics
    /// If what the environment says is no number.
    pub fn of(count: u64) -> Self {
        assert_ne!(number("CLOAKROOM_HISTORY_SEEDS"), Some(0), "no seed checks nothing");
        if let Some(seed) = number("CLOAKROOM_HISTORY_SEED") {
            return Self { first: seed, count: 1 };
        }
        Self { first: 1, count: number("CLOAKROOM_HISTORY_SEEDS").unwrap_or(count) }
    }

    /// So many seeds, whatever the environment says.
    pub fn fixed(count: u64) -> Self {
        Self { first: 1, count }
    }

    /// This one, whatever the environment says.
    pub fn one(seed: u64) -> Self {
        Self { first: seed, count: 1 }
    }

    fn seeds(self) -> impl Iterator<Item = u64> {
        self.first..self.first + self.count
    }
}

/// The first seed whose history has a violation of one of these properties, or of any if none are named.
pub fn find(stores: &Stores, budget: Budget, properties: &[&str]) -> Option<(u64, Vec<Violation>)> {
    let wanted = |violation: &Violation| properties.is_empty() || properties.contains(&violation.property);
    budget.seeds().find_map(|seed| {
        let violations = check(&run(stores, seed)).err()?;
        violations.iter().any(wanted).then_some((seed, violations))
    })
}

/// Fails if any history has a violation, and says how to see it again. With `CLOAKROOM_HISTORY_PROPERTY` in the
/// environment, only one of that property counts.
///
/// # Panics
/// That is how it fails.
pub fn forever_green(stores: &Stores, budget: Budget) {
    if number("CLOAKROOM_HISTORY_SEED") == Some(budget.first) {
        let history = run(stores, budget.first);
        println!("{}", excerpt(&history, &(0..history.requests.len()).collect::<Vec<_>>()));
    }
    let property = env::var("CLOAKROOM_HISTORY_PROPERTY").ok();
    if let Some(name) = &property {
        assert!(PROPERTIES.contains(&&**name), "{name} is no property that is checked: {PROPERTIES:?}");
    }
    let Some((seed, mut violations)) = find(stores, budget, property.as_deref().as_slice()) else {
        if budget.count > 1 {
            println!("{}: {} seeds, no violation", stores.name, budget.count);
        }
        return;
    };
    violations.retain(|violation| property.as_ref().is_none_or(|property| property == violation.property));
    let mut text = String::new();
    for violation in violations.iter().take(SHOWN) {
        _ = write!(text, "\n{violation}");
    }
    if violations.len() > SHOWN {
        _ = write!(text, "\nand {} more\n", violations.len() - SHOWN);
    }
    let name = stores.name;
    // Another profile may make another history of the same seed.
    let profile = if cfg!(debug_assertions) { "" } else { "--release " };
    panic!(
        "{name}, seed {seed}:\n{text}\nto see it again: CLOAKROOM_HISTORY_SEED={seed} cargo test {profile}-p cloakroom-tests \
         --test history {name}"
    );
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

const SHOWN: usize = 3;
