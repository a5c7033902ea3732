//! D1, D3, D5.

use super::facts::{Change, Facts};
use super::findings::Findings;
use crate::action::Action;
use crate::cookie::Handle;
use crate::history::{Outcome, Whose};

pub(super) fn check(facts: &Facts<'_>, found: &mut Findings<'_>) {
    ended_stays_ended(facts, found);
    revoked_stays_revoked(facts, found);
    expired_is_over(facts, found);
}

/// D1: after an acknowledged end, no load and no save succeeds.
fn ended_stays_ended(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (session, request, end) in ends(facts) {
        for (number, other) in facts.answered() {
            for (_, action, done) in other.done() {
                let requests = [request, number];
                if other.start.order > end && done.session.as_ref() == Some(session) {
                    found.add("D1", requests, "a session was accepted after it had been ended");
                    break;
                }
                let saved = action.is_immediate() && *action != Action::Unlock && done.seen.is_some();
                let took_nothing = done.seen.as_ref().is_some_and(|seen| seen.list.is_empty());
                if saved && !took_nothing && done.from.order > end && done.after.as_ref() == Some(session) {
                    found.add("D1", requests, "a save succeeded on a session that had been ended");
                    break;
                }
            }
        }
    }
}

/// The sessions that were ended one by one, by which request, and when that was known.
pub(super) fn ends<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a Handle, usize, u64)> {
    facts.changes.iter().filter_map(|change| {
        let ended = *change.action == Action::SignOut && change.outcome == Outcome::Ok;
        ended.then_some(())?;
        Some((change.session.as_ref()?, change.request, change.end?.order))
    })
}

/// D5: after a user's sessions were all ended, none that began before is accepted.
fn revoked_stays_revoked(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for change in &facts.changes {
        let (Action::EndAll(user), Outcome::Ok, Some(end)) = (change.action, change.outcome, change.end)
        else {
            continue;
        };
        for (number, request) in facts.answered().filter(|(_, request)| request.start.order > end.order) {
            let of_user = |session: &Handle| {
                let later = |sign_in: &&Change<'_>| {
                    matches!(sign_in.action, Action::SignIn(_))
                        && sign_in.outcome != Outcome::Failed
                        && facts.may_be_about(sign_in, session)
                        && sign_in.end.is_none_or(|end| end.order > change.start.order)
                };
                !facts.changes.iter().any(|sign_in| later(&sign_in))
            };
            // Later ones may tell of a sign-in of their own.
            let first = request.done().find(|(_, action, _)| action.uses_session()).map(|(.., done)| done);
            let accepted = first.filter(|first| first.user.as_ref() == Some(user));
            if accepted.and_then(|first| first.session.as_ref()).is_some_and(of_user) {
                let explanation =
                    format!("a session of {user} was accepted after all of them had been ended");
                found.add("D5", [change.request, number], explanation);
            }
        }
    }
}

/// D3: what nobody used for the idle time, or what began before the absolute limit, is not accepted.
fn expired_is_over(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let rules = &facts.history.rules;
    for (number, request) in facts.answered() {
        let (Some(Some(session)), Some(end)) = (request.first_session(), request.end()) else { continue };
        let [idle, absolute] = match facts.may_be_remembered(session) {
            true => [Action::REMEMBERED; 2],
            false => [rules.idle, rules.absolute],
        };
        let users = facts.history.requests.iter().enumerate().filter(|(other, user)| {
            let of_browser = matches!(user.whose, Whose::Browser(_));
            let used = user.sent_session().as_ref() == Some(session)
                || user.received_session().as_ref() == Some(session);
            *other != number && of_browser && used && user.start.order < end.order
        });
        // Of a request without an end nobody knows until when it was busy.
        let used: Option<Vec<_>> = users.map(|(_, user)| user.end().map(|end| end.millis)).collect();
        let Some(last) = used.and_then(|used| used.into_iter().max()) else { continue };
        if last + idle <= request.start.millis {
            found.add("D3", [number], "a session was accepted that nobody had used for the idle time");
        }
        let sign_ins = facts.changes.iter().filter(|change| {
            matches!(change.action, Action::SignIn(_)) && facts.may_be_about(change, session)
        });
        let begins = sign_ins.map(|change| facts.request(change.request).end().map(|end| end.millis));
        let issues = facts.issues.iter().filter(|issue| issue.session == *session);
        let begins =
            begins.chain(issues.take(1).map(|issue| Some(facts.request(issue.request).end()?.millis)));
        let begins: Option<Vec<_>> = begins.collect();
        let Some(begun) = begins.and_then(|begins| begins.into_iter().max()) else { continue };
        if begun + absolute <= request.start.millis {
            found.add("D3", [number], "a session was accepted beyond its absolute limit");
        }
    }
}
