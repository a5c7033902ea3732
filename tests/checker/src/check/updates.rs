//! U1, U2, U4, U7; and H2 and L2, which are U1 seen from nearby.

use std::collections::BTreeSet;

use super::facts::{Change, Facts, Sight, Write, probed};
use super::findings::Findings;
use crate::action::{Action, Token};
use crate::history::{Everything, Outcome};

pub(super) fn check(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for sight in &facts.sights {
        nothing_is_missing(facts, sight, found);
        nothing_failed_is_there(facts, sight, found);
        nothing_is_there_twice(sight, found);
        nothing_taken_is_there(facts, sight, found);
        all_or_nothing(sight, found);
    }
    nothing_is_taken_twice(facts, found);
}

/// U1: what was acknowledged before, and not taken or cleared since, is there.
fn nothing_is_missing(facts: &Facts<'_>, sight: &Sight<'_>, found: &mut Findings<'_>) {
    for write in &facts.writes {
        let before = write.end.is_some_and(|end| end.order < sight.start.order);
        let visible = write.is_to_list() || sight.seen.rest.is_some();
        if !before || !visible || write.session.as_ref() != Some(sight.session) || sight.holds(write.token) {
            continue;
        }
        if facts.changes.iter().any(|change| may_remove(facts, change, write, sight)) {
            continue;
        }
        let (token, requests) = (write.token, [write.request, sight.request]);
        let locked = facts.request(sight.request).actions.contains(&Action::Lock);
        match sight.under {
            _ if probed(facts.request(sight.request)) == Some(write.request) => {
                found.add(
                    "H2",
                    requests,
                    format!("{token} was acknowledged, and is not stored at that moment"),
                );
            }
            Some(own) if locked => {
                found.add(
                    "L2",
                    requests,
                    format!("{own} was saved by a holder of the lock that knew nothing of {token}"),
                );
            }
            Some(own) => {
                found.add("U1", requests, format!("{own} was saved on top of a list without {token}"))
            }
            None => found.add("U1", requests, format!("{token} was acknowledged, and is missing later")),
        }
    }
}

fn may_remove(facts: &Facts<'_>, change: &Change<'_>, write: &Write<'_>, sight: &Sight<'_>) -> bool {
    // What came to nothing in the end was so for its own request until then.
    let happened = change.outcome != Outcome::Failed || change.request == sight.request;
    let possible = happened && change.start.order < sight.end.order;
    let after = change.end.is_none_or(|end| end.order > write.start.order);
    if !possible || !after {
        return false;
    }
    match change.action {
        Action::Take if write.is_to_list() && change.session.as_ref() == Some(sight.session) => {
            change.took.is_none_or(|took| took.iter().any(|(token, _)| *token == write.token))
        }
        // Another user's sign-in clears the session.
        Action::SignIn(user) if facts.may_be_about(change, sight.session) => match write.user {
            Some(writer) => writer != user,
            None => facts.changes.iter().any(|other| {
                matches!(other.action, Action::SignIn(another) if another != user)
                    && facts.may_be_about(other, sight.session)
            }),
        },
        _ => false,
    }
}

/// U2: what was not saved is seen by nobody but the request that wanted it.
fn nothing_failed_is_there(facts: &Facts<'_>, sight: &Sight<'_>, found: &mut Findings<'_>) {
    for write in facts.writes.iter().filter(|write| write.outcome == Outcome::Failed) {
        if write.request != sight.request && sight.holds(write.token) {
            let explanation = format!("{} was not saved, and is there", write.token);
            found.add("U2", [write.request, sight.request], explanation);
        }
    }
}

/// U4: exactly once.
fn nothing_is_there_twice(sight: &Sight<'_>, found: &mut Findings<'_>) {
    let mut once = BTreeSet::new();
    for (token, _) in &sight.seen.list {
        if !once.insert(token) {
            found.add("U4", [sight.request], format!("{token} is there twice"));
        }
    }
}

/// U4: a value that was taken is gone.
fn nothing_taken_is_there(facts: &Facts<'_>, sight: &Sight<'_>, found: &mut Findings<'_>) {
    for (request, took, change) in takes(facts) {
        let before = change.end.is_some_and(|end| end.order < sight.start.order);
        let listed = |token: &Token| sight.seen.list.iter().any(|(listed, _)| listed == token);
        if before && let Some(token) = took.iter().find(|token| listed(token)) {
            found.add("U4", [request, sight.request], format!("{token} was taken, and is there again"));
        }
    }
}

fn nothing_is_taken_twice(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let takes: Vec<_> = takes(facts).collect();
    for (i, (one, taken, _)) in takes.iter().enumerate() {
        for (another, again, _) in &takes[i + 1..] {
            if let Some(token) = taken.iter().find(|token| again.contains(token)) {
                found.add("U4", [*one, *another], format!("{token} was taken twice"));
            }
        }
    }
}

fn takes<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (usize, Vec<Token>, &'a Change<'a>)> {
    let takes = facts.changes.iter().filter(|change| *change.action == Action::Take);
    takes.filter(|change| change.outcome == Outcome::Ok).filter_map(|change| {
        Some((change.request, change.took?.iter().map(|(token, _)| *token).collect(), change))
    })
}

/// U7: what was written together is seen together.
fn all_or_nothing(sight: &Sight<'_>, found: &mut Findings<'_>) {
    let Some(rest) = &sight.seen.rest else { return };
    if rest.left != rest.right {
        let (left, right) = (&rest.left, &rest.right);
        found.add(
            "U7",
            [sight.request],
            format!("halves of pairs: {left:?} on one side, {right:?} on the other"),
        );
    }
    let sum: i64 = rest.accounts.iter().sum();
    if !rest.accounts.is_empty() && sum != Everything::TOTAL {
        let accounts = &rest.accounts;
        found.add("U7", [sight.request], format!("{accounts:?} come to {sum}, not to {}", Everything::TOTAL));
    }
}
