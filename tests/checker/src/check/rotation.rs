//! R1 to R4 and F18; and H1 and D4, which are R1 with a reason.

use super::facts::{Change, Facts, Issue, probed};
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
    late_requests_leave_nothing(facts, found);
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
            let changes =
                does(|action| matches!(action, Action::SignIn(_) | Action::Rotate | Action::Elevate));
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

/// R3: a secret that was replaced is over: at once after a sign-in or an elevation; after a rotation a grace time after the
/// new one was presented, and at the latest when its hold is over.
fn superseded_is_over(
    facts: &Facts<'_>,
    number: usize,
    request: &Request,
    cookie: &str,
    found: &mut Findings<'_>,
) {
    let Some(issue) = facts.issue(cookie) else { return };
    let successors = || {
        facts.issues.iter().filter(|successor| {
            facts.is_newer(successor.cookie, issue)
                && facts.request(successor.request).is_before(request.start)
        })
    };
    let dropped = successors().find(|successor| {
        let dropped = facts.changes.iter().any(|change| {
            let at_once = change.action.drops_secrets() && change.outcome == Outcome::Ok;
            change.request == successor.request && at_once && change.session.as_ref() == Some(&issue.session)
        });
        // Who rotated had a newer secret than this one.
        let sent = facts.request(successor.request).sent.as_deref();
        dropped || sent.is_some_and(|sent| facts.is_newer(sent, issue))
    });
    let grace = facts.history.rules.grace;
    let presented = || {
        let writes = facts.writes.iter().filter(|write| {
            let saved = matches!(write.action, Action::Append(_)) && write.outcome == Outcome::Ok;
            saved && write.session.as_ref() == Some(&issue.session)
        });
        writes
            .filter(|write| {
                facts.request(write.request).sent.as_deref().is_some_and(|s| facts.is_newer(s, issue))
            })
            .find(|write| write.end.is_some_and(|end| end.millis + grace <= request.start.millis))
            .map(|write| write.request)
    };
    let replaced = match (dropped, presented()) {
        (Some(successor), _) => successor.request,
        (None, Some(presented)) => presented,
        (None, None) if held_until(facts, issue).is_some_and(|until| until <= request.start.millis) => {
            let Some(successor) = successors().next() else { return };
            successor.request
        }
        (None, None) => return,
    };
    found.add("R3", [issue.request, replaced, number], "a secret was accepted after it had been replaced");
}

/// Until when a rotation may hold this cookie's secret for its browser; `None` if that is not known.
fn held_until(facts: &Facts<'_>, issue: &Issue<'_>) -> Option<u64> {
    let rotations = facts.changes.iter().filter(|change| {
        let newer =
            facts.request(change.request).sent.as_deref().is_some_and(|sent| facts.is_newer(sent, issue));
        *change.action == Action::Rotate
            && change.outcome != Outcome::Failed
            && change.session.as_ref() == Some(&issue.session)
            && change.request != issue.request
            && !newer
    });
    let ends: Option<Vec<_>> = rotations.map(|change| change.end.map(|end| end.millis)).collect();
    Some(ends?.into_iter().max()? + facts.history.rules.hold())
}

/// R4: concurrent rotations come to one new secret, and so does one by a request that has the new one already.
fn one_successor(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let rotations: Vec<_> = facts
        .issues
        .iter()
        .filter(|issue| {
            let request = facts.request(issue.request);
            let drops_secrets = request.actions.iter().any(Action::drops_secrets);
            request.actions.contains(&Action::Rotate)
                && !drops_secrets
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
            let dropped = facts.changes.iter().any(|change| {
                change.action.drops_secrets()
                    && change.outcome != Outcome::Failed
                    && facts.may_be_about(change, &one.session)
                    && change.start.order < last
                    && change.end.is_none_or(|end| end.order > first)
            });
            let rules = &facts.history.rules;
            if span < rules.grace && !dropped {
                found.add("R4", requests, "two rotations within one grace time made two secrets");
            } else if presents_first(facts, one, other) && span < rules.hold() && !dropped {
                found.add("R4", requests, "a rotation by who had its new secret made another one");
            }
        }
    }
}

/// Whether the one that brought the second cookie was the first to present the first one, and did so all in one go.
fn presents_first(facts: &Facts<'_>, first: &Issue<'_>, second: &Issue<'_>) -> bool {
    let request = facts.request(second.request);
    let Some(end) = request.end() else { return false };
    request.sent.as_deref() == Some(first.cookie)
        && end.millis - request.start.millis < facts.history.rules.grace
        && !facts
            .presentations(first.cookie)
            .any(|(number, other)| number != second.request && other.start.order < end.order)
}

/// F18: what a browser may have sent before its secret was replaced, or its session ended, changes nothing: neither its
/// cookie, of which it may have a newer one, nor what is stored.
fn late_requests_leave_nothing(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for change in &facts.changes {
        if !(change.action.drops_secrets() || *change.action == Action::SignOut)
            || change.outcome != Outcome::Ok
            || !was_on_its_session(facts, change)
        {
            continue;
        }
        let (Some(session), Some(end)) = (&change.session, change.end) else { continue };
        if facts.history.rules.unreadable.contains(session) {
            continue;
        }
        for (number, request) in facts.answered() {
            let old = request.sent.as_deref().and_then(|sent| facts.issue(sent)).is_some_and(|issue| {
                issue.session == *session && facts.request(issue.request).is_before(change.start)
            });
            let in_time = first_use(request).is_some_and(|[_, until]| {
                request.start.millis + ON_THE_WAY < change.start.millis + facts.history.rules.late
                    && until.millis < change.start.millis + LONGEST_REQUEST
            });
            let signs_in = request.actions.iter().any(|action| matches!(action, Action::SignIn(_)));
            // What an end of all leaves to the store is removed, and then nothing says when.
            let removed = facts.changes.iter().any(|other| {
                let ends = matches!(other.action, Action::EndAll(user) if facts.may_have_been(session, user));
                let before = request.end().is_none_or(|end| other.start.order < end.order);
                ends && before && other.outcome != Outcome::Failed
            });
            if removed
                || !old
                || !in_time
                || signs_in
                || request.start.order < end.order
                || !request.may_note()
            {
                continue;
            }
            let requests = [change.request, number];
            if !matches!(request.response.as_ref().map(|response| &response.cookie), Some(Received::Nothing))
            {
                found.add("F18", requests, "a late request changed the browser's cookie");
            } else if facts.writes.iter().any(|write| write.request == number && write.outcome == Outcome::Ok)
            {
                found.add("F18", requests, "a late request saved something");
            }
        }
    }
}

/// Whether it was certainly this change that replaced the secret or ended the session: none other may have come before it.
fn was_on_its_session(facts: &Facts<'_>, change: &Change<'_>) -> bool {
    let request = facts.request(change.request);
    let Some(session) = &change.session else { return false };
    let kept = *change.action == Action::SignOut || request.received_session().as_ref() == Some(session);
    kept && request.first_session() == Some(Some(session))
        && !facts.changes.iter().any(|other| {
            let about = match other.action {
                Action::EndAll(user) => facts.may_have_been(session, user),
                Action::SignOut | Action::Elevate => other.session.as_ref() == Some(session),
                Action::SignIn(_) => facts.may_be_about(other, session),
                _ => false,
            };
            about
                && other.request != change.request
                && other.outcome != Outcome::Failed
                && change.end.is_none_or(|end| other.start.order < end.order)
                && other.end.is_none_or(|end| end.order > request.start.order)
        })
}

/// How long, in milliseconds, a request may take to its server.
const ON_THE_WAY: u64 = 1000;
/// Beyond this many milliseconds the time at which a request began does not count.
const LONGEST_REQUEST: u64 = 600_000;
