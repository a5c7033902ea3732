//! H4. H1 and H2 are in `rotation` and `updates`: they go by the looks that are taken when a response arrives.

use super::Findings;
use super::facts::Facts;

pub(super) fn check(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (number, request) in facts.history.requests.iter().enumerate() {
        if request.response.is_none() && request.hung_up.is_none() {
            found.add("H4", [number], "a request never ended");
        }
    }
}
