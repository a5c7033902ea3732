//! L1. L2 is in `updates`: a save of a stale holder is a lost update.

use super::Findings;
use super::facts::Facts;
use crate::history::{Action, Handle, Moment};

struct Hold<'a> {
    request: usize,
    session: &'a Handle,
    from: Moment,
    until: Moment,
}

pub(super) fn check(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let holds: Vec<_> = facts.answered().filter_map(|(number, _)| hold(facts, number)).collect();
    for (i, one) in holds.iter().enumerate() {
        for other in holds[i + 1..].iter().filter(|other| other.session == one.session) {
            let (first, second) = if one.from.order < other.from.order { (one, other) } else { (other, one) };
            let overlap = second.from.order < first.until.order;
            // Asleep for longer than that, a holder may be taken for dead.
            let alive = second.from.millis < first.from.millis + facts.history.rules.lease;
            if overlap && alive {
                found.add("L1", [first.request, second.request], "two requests held one lock at the same time");
            }
        }
    }
}

/// From when the lock was certainly held until when.
fn hold<'a>(facts: &Facts<'a>, number: usize) -> Option<Hold<'a>> {
    let mut hold: Option<Hold<'_>> = None;
    for (_, action, done) in facts.request(number).done() {
        match &mut hold {
            None if *action == Action::Lock && done.error.is_none() => {
                let session = done.session.as_ref().filter(|_| done.session == done.after)?;
                hold = Some(Hold { request: number, session, from: done.until, until: done.until });
            }
            None => {}
            // Whatever ends the session or loses it ends the lock as well.
            Some(_) if done.error.is_some() || *action == Action::Unlock || action.ends_secret() => return hold,
            Some(hold) => hold.until = done.until,
        }
    }
    hold
}
