//! L1, L2. L2 is in `updates` as well: a save of a stale holder may be a lost update.

use super::facts::Facts;
use super::findings::Findings;
use crate::action::Action;
use crate::cookie::Handle;
use crate::history::{Moment, Outcome, Request};

struct Hold<'a> {
    request: usize,
    session: &'a Handle,
    /// When it was asked for at the earliest: the lease counts from the time that the holder told the store.
    asked: Moment,
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
            let alive = second.from.millis < first.asked.millis + facts.history.rules.lease;
            let requests = [first.request, second.request];
            if overlap && alive {
                found.add("L1", requests, "two requests held one lock at the same time");
            } else if overlap && saves_after(facts, first, second.from) {
                found.add("L2", requests, "a holder saved something after its lock had passed to another");
            }
        }
    }
    for (number, request) in facts.history.requests.iter().enumerate() {
        if conflicts_under_lock(facts, number, request) {
            let explanation =
                "a conflict under the lock: another holder's save came after its lock was freed";
            found.add("L1", facts.company(number).map(|(other, _)| other).chain([number]), explanation);
        }
    }
}

/// Whether a holder began to write after that moment, and it was saved.
fn saves_after(facts: &Facts<'_>, holder: &Hold<'_>, lost: Moment) -> bool {
    facts.writes.iter().any(|write| {
        write.request == holder.request
            && write.session.as_ref() == Some(holder.session)
            && write.outcome == Outcome::Ok
            && write.start.order > lost.order
    })
}

/// Whether the request began with the lock and came to a conflict, though everybody who may have written meanwhile had
/// the lock as well, and none of them slept.
fn conflicts_under_lock(facts: &Facts<'_>, number: usize, request: &Request) -> bool {
    let Some(response) = &request.response else { return false };
    let at_the_end = response.status == 409 && response.report.is_none();
    let locks = |request: &Request| request.actions.iter().find(|a| a.uses_session()) == Some(&Action::Lock);
    let unlocks = |request: &Request| request.actions.iter().any(|a| *a == Action::Unlock || a.ends_secret());
    let ordered = facts.company(number).all(|(_, other)| {
        let span = response.end.millis.saturating_sub(other.start.millis);
        // Of a request that failed nobody knows when its writes come.
        let known = other.response.as_ref().is_some_and(|response| response.status != 503);
        known && span < facts.history.rules.lease && (other.only_looks() || locks(other) && !unlocks(other))
    });
    let awake = response.end.millis < request.start.millis + facts.history.rules.lease;
    at_the_end && awake && locks(request) && !unlocks(request) && ordered
}

/// From when the lock was certainly held until when.
fn hold<'a>(facts: &Facts<'a>, number: usize) -> Option<Hold<'a>> {
    let mut hold: Option<Hold<'_>> = None;
    for (_, action, done) in facts.request(number).done() {
        match &mut hold {
            None if *action == Action::Lock && done.error.is_none() => {
                let session = done.session.as_ref().filter(|_| done.session == done.after)?;
                // Whatever used the session before may have locked it already.
                let first = facts.request(number).done().find(|(_, action, _)| action.uses_session());
                let asked = match first {
                    Some((.., first)) if std::ptr::eq(first, done) => done.from,
                    _ => facts.request(number).start,
                };
                let from = done.until;
                hold = Some(Hold { request: number, session, asked, from, until: from });
            }
            None => {}
            // Whatever ends the session or loses it ends the lock as well.
            Some(_) if done.error.is_some() || *action == Action::Unlock || action.ends_secret() => {
                return hold;
            }
            Some(hold) => hold.until = done.until,
        }
    }
    hold
}
