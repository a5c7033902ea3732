//! R1 to R4; and H1 and D4, which are R1 with a reason.

use super::facts::{Facts, probed};
use super::findings::Findings;
use crate::action::Action;
use crate::history::{Moment, Outcome, Received, Request};

pub(super) fn check(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (number, request) in facts.answered() {
        let (Some(cookie), Some(session)) = (request.sent.as_deref(), request.sent_session()) else {
            continue;
        };
        let Some(first) = request.first_session() else { continue };
        if first == Some(&session) {
            superseded_is_over(facts, number, request, cookie, found);
        } else if let Some([from, until]) = first_use(request)
            && facts.excuse(cookie, &session, [from, until], Some(number)).is_none()
        {
            turned_away(facts, number, cookie, until, found);
        }
    }
    one_successor(facts, found);
    for (number, request) in facts.history.requests.iter().enumerate() {
        if let Some(explanation) = sets_a_cookie_for_nothing(request) {
            found.add("R1", [number], explanation);
        }
    }
}

/// R1: a response that changes the browser's cookie without a reason may overtake the one that brings the right one
/// (failure F18).
fn sets_a_cookie_for_nothing(request: &Request) -> Option<&'static str> {
    let does = |wanted: fn(&Action) -> bool| request.actions.iter().any(wanted);
    let signs_in = does(|action| matches!(action, Action::SignIn(_)));
    let received = request.received_session();
    match &request.response.as_ref()?.cookie {
        Received::Nothing => None,
        Received::Removed => (!does(|action| *action == Action::SignOut))
            .then_some("a cookie was removed, and no session was ended"),
        Received::Set(_) if request.sent_session() == received => {
            let found = request.first_session() == Some(received.as_ref());
            let changes = signs_in || does(|action| *action == Action::Rotate);
            (found && !changes).then_some("a cookie was set again, and the secret is the same as before")
        }
        Received::Set(_) => {
            let begins = signs_in || does(Action::writes);
            (!begins).then_some("a session was begun by a request that wrote nothing")
        }
    }
}

/// Between which moments the request looked whether there is a session.
fn first_use(request: &Request) -> Option<[Moment; 2]> {
    request.done().find(|(_, action, _)| action.uses_session()).map(|(_, _, done)| [done.from, done.until])
}

/// R1, R2: a session is there for whoever holds a secret of it that works, or worked a grace time ago.
fn turned_away(facts: &Facts<'_>, number: usize, cookie: &str, until: Moment, found: &mut Findings<'_>) {
    let request = facts.request(number);
    let session = request.sent_session();
    let issued = facts.issue(cookie).map(|issue| issue.request);
    let of_session = || facts.changes.iter().filter(|change| change.session == session);
    let rotated = of_session().find(|change| {
        let late = change.start.order > request.start.order;
        *change.action == Action::Rotate
            && change.outcome != Outcome::Failed
            && !late
            && Some(change.request) != issued
    });
    let begun = issued.map_or(request.start, |issued| facts.request(issued).start);
    let swept = facts.changes.iter().find(|change| {
        let meanwhile = change.end.is_none_or(|end| end.order > begun.order);
        *change.action == Action::Purge && meanwhile && change.start.order < until.order
    });
    let requests = issued.into_iter().chain([number]);
    match (rotated, swept) {
        (_, Some(swept)) => {
            let explanation = "a session is gone that had not expired; there was a sweep";
            found.add("D4", requests.chain([swept.request]), explanation);
        }
        _ if probed(request).is_some() && probed(request) == issued => {
            found.add("H1", requests, "a cookie was set whose secret is not stored at that moment");
        }
        (Some(rotated), _) => {
            let explanation = "a secret did not work within the grace time of a rotation";
            found.add("R2", requests.chain([rotated.request]), explanation);
        }
        (None, None) => {
            found.add("R1", requests, "a visitor lost a session that did not end and had not expired");
        }
    }
}

/// R3: a secret that was replaced is over, after the grace of a rotation and at once after a sign-in.
fn superseded_is_over(
    facts: &Facts<'_>,
    number: usize,
    request: &Request,
    cookie: &str,
    found: &mut Findings<'_>,
) {
    let Some(issue) = facts.issue(cookie) else { return };
    for successor in facts.issues.iter().filter(|other| other.session == issue.session) {
        let replaced = facts.request(successor.request);
        let newer = facts.request(issue.request).is_before(replaced.start);
        let Some(end) = replaced.end().filter(|_| newer && replaced.is_before(request.start)) else {
            continue;
        };
        let signed_in = facts.changes.iter().any(|change| {
            let signs_in = matches!(change.action, Action::SignIn(_)) && change.outcome == Outcome::Ok;
            change.request == successor.request && signs_in && change.session.as_ref() == Some(&issue.session)
        });
        if signed_in || request.start.millis >= end.millis + facts.history.rules.grace {
            let explanation = "a secret was accepted after it had been replaced";
            found.add("R3", [issue.request, successor.request, number], explanation);
            return;
        }
    }
}

/// R4: concurrent rotations come to one new secret.
fn one_successor(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let rotations: Vec<_> = facts
        .issues
        .iter()
        .filter(|issue| {
            let request = facts.request(issue.request);
            let signs_in = request.actions.iter().any(|action| matches!(action, Action::SignIn(_)));
            request.actions.contains(&Action::Rotate)
                && !signs_in
                && request.sent_session().as_ref() == Some(&issue.session)
        })
        .collect();
    for (i, one) in rotations.iter().enumerate() {
        for other in rotations[i + 1..].iter().filter(|other| other.session == one.session) {
            let requests = [one.request, other.request];
            let [a, b] = requests.map(|request| facts.request(request));
            let (Some(a_end), Some(b_end)) = (a.end(), b.end()) else { continue };
            let (first, last) = (a.start.order.min(b.start.order), a_end.order.max(b_end.order));
            let span = a_end.millis.max(b_end.millis) - a.start.millis.min(b.start.millis);
            let signed_in = facts.changes.iter().any(|change| {
                matches!(change.action, Action::SignIn(_))
                    && change.outcome != Outcome::Failed
                    && facts.may_be_about(change, &one.session)
                    && change.start.order < last
                    && change.end.is_none_or(|end| end.order > first)
            });
            if span < facts.history.rules.grace && !signed_in {
                found.add("R4", requests, "two rotations within one grace time made two secrets");
            }
        }
    }
}
