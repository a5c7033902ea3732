//! The checker: reads a history, and says what should not be in it.

mod ends;
mod facts;
pub(crate) mod findings;
mod identity;
mod locks;
mod rotation;
mod updates;

#[cfg(test)]
mod tests;

use crate::action::Action;
use crate::check::facts::Facts;
use crate::check::findings::{Findings, Violation};
use crate::history::{History, Received};

/// Checks a history.
///
/// # Errors
/// Every violation found, the more telling ones first: an id that crosses over explains a lost update better than the other
/// way round.
pub fn check(history: &History) -> Result<(), Vec<Violation>> {
    let facts = Facts::of(history);
    let mut found = Findings::new(history);
    identity::check(&facts, &mut found);
    ends::check(&facts, &mut found);
    locks::check(&facts, &mut found);
    updates::check(&facts, &mut found);
    rotation::check(&facts, &mut found);
    answers(&facts, &mut found);
    if found.violations.is_empty() { Ok(()) } else { Err(found.violations) }
}

/// H3, H4. H1 and H2 are in `rotation` and `updates`: they go by the looks that are taken when a response arrives.
fn answers(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (number, request) in facts.history.requests.iter().enumerate() {
        if request.response.is_none() && request.hung_up.is_none() {
            found.add("H4", [number], "a request never ended");
        }
        let fails = request.response.as_ref().filter(|response| response.status == 503);
        // One that is set is that of a session stored before the failure.
        if fails.is_some_and(|response| response.cookie == Received::Removed)
            && !request.actions.contains(&Action::SignOut)
        {
            found.add("H3", [number], "a failure of the store removed the cookie");
        }
    }
}
