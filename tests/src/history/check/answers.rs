//! H3, H4. H1 and H2 are in `rotation` and `updates`: they go by the looks that are taken when a response arrives.

use super::Findings;
use super::facts::Facts;
use crate::history::{Action, Received};

pub(super) fn check(facts: &Facts<'_>, found: &mut Findings<'_>) {
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
