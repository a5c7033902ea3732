//! I1, I2, I3, I5.

use super::ends::ends;
use super::facts::{Facts, Sight};
use super::findings::Findings;
use crate::action::Token;
use crate::history::Whose;

pub(super) fn check(facts: &Facts<'_>, found: &mut Findings<'_>) {
    issued_once(facts, found);
    accepted_only_if_issued(facts, found);
    for sight in &facts.sights {
        for (token, user) in sight.entries() {
            belongs_there(facts, sight, *token, found);
            if user.is_some() && user.as_deref() != sight.user {
                let (written, now) = (user.as_deref().unwrap_or("nobody"), sight.user.unwrap_or("nobody"));
                let writer = facts.writes.iter().find(|write| write.token == *token);
                let explanation = format!("{token} was written for {written}, and {now} has it");
                found.add(
                    "I5",
                    writer.map(|write| write.request).into_iter().chain([sight.request]),
                    explanation,
                );
            }
        }
    }
}

/// I1: no secret is issued twice, and no session to two browsers.
fn issued_once(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (i, issue) in facts.issues.iter().enumerate() {
        for other in &facts.issues[i + 1..] {
            let requests = [issue.request, other.request];
            let whose = requests.map(|request| facts.request(request).whose);
            if issue.cookie == other.cookie {
                found.add("I1", requests, "one cookie was issued twice");
            } else if issue.session == other.session && whose[0] != whose[1] {
                found.add("I1", requests, "one session was given to two browsers");
            }
        }
    }
}

/// I2: an id that nobody issued is no session.
fn accepted_only_if_issued(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (number, request) in facts.answered() {
        let Some(cookie) = request.sent.as_deref() else { continue };
        let issued = facts.issue(cookie).map(|issue| facts.request(issue.request));
        if issued.is_some_and(|issued| issued.is_before(request.start))
            || !matches!(request.whose, Whose::Browser(_))
        {
            continue;
        }
        let session = request.sent_session();
        let accepted = request.first_session().is_some_and(|first| first == session.as_ref());
        if session.is_some() && (accepted || request.received_session() == session) {
            found.add("I2", [number], "a cookie that nobody issued became a session");
        }
    }
}

/// I3: a session holds what was written to it and nothing else; D1, if the rest is from one that was ended.
fn belongs_there(facts: &Facts<'_>, sight: &Sight<'_>, token: Token, found: &mut Findings<'_>) {
    let Some(write) = facts.writes.iter().find(|write| write.token == token) else {
        found.add("I3", [sight.request], format!("{token} was never written"));
        return;
    };
    let writer = facts.request(write.request);
    let homes = [write.session.clone(), writer.sent_session(), writer.received_session()];
    if homes.iter().flatten().any(|home| home == sight.session) {
        return;
    }
    let mut ended = ends(facts).filter(|(session, ..)| homes.iter().flatten().any(|home| home == *session));
    match ended.next() {
        Some((_, end, _)) => {
            let explanation =
                format!("{token} was written to a session that was ended, and is in another now");
            found.add("D1", [write.request, end, sight.request], explanation);
        }
        None => {
            let explanation = format!("{token} was written to another session than the one it is in");
            found.add("I3", [write.request, sight.request], explanation);
        }
    }
}
