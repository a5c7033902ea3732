use std::collections::BTreeMap;
use std::fmt::Write;

use crate::action::Action;
use crate::cookie::handle_of;
use crate::history::{Done, History, Moment, Outcome, Received, Request, Whose};

/// The requests concerned, one paragraph each, with short names for sessions and secrets.
pub(crate) fn excerpt(history: &History, requests: &[usize]) -> String {
    let names = Names::of(history);
    requests.iter().map(|number| names.request(*number, &history.requests[*number])).collect()
}

/// `s1`, `s2` for sessions in the order in which they appear, `s1.1`, `s1.2` for their secrets.
struct Names {
    sessions: BTreeMap<String, usize>,
    secrets: BTreeMap<String, String>,
}

impl Names {
    fn of(history: &History) -> Self {
        let mut names = Self { sessions: BTreeMap::new(), secrets: BTreeMap::new() };
        for request in &history.requests {
            let cookies = request.sent.as_deref().into_iter().chain(request.received_cookie());
            for cookie in cookies {
                names.add(cookie);
            }
        }
        names
    }

    fn add(&mut self, cookie: &str) {
        let Some(session) = handle_of(cookie) else { return };
        let next = self.sessions.len() + 1;
        let session = *self.sessions.entry(session).or_insert(next);
        if !self.secrets.contains_key(cookie) {
            let prefix = format!("s{session}.");
            let count = self.secrets.values().filter(|name| name.starts_with(&prefix)).count();
            self.secrets.insert(cookie.to_owned(), format!("{prefix}{}", count + 1));
        }
    }

    fn secret(&self, cookie: Option<&str>) -> &str {
        cookie.map_or("no cookie", |cookie| self.secrets.get(cookie).map_or("?", |name| name))
    }

    fn session(&self, handle: Option<&String>) -> String {
        match handle.map(|handle| self.sessions.get(handle)) {
            None => "-".into(),
            Some(None) => "s?".into(),
            Some(Some(number)) => format!("s{number}"),
        }
    }

    fn request(&self, number: usize, request: &Request) -> String {
        let whose = match request.whose {
            Whose::Browser(browser) => format!("browser {browser}"),
            Whose::ProbeOf(of) => format!("look past the queues after #{of}"),
            Whose::Last => "last look".into(),
        };
        let (start, sent) = (moment(request.start), self.secret(request.sent.as_deref()));
        let mut text = format!("  #{number} {whose}, {start}, {sent}: {}", Action::path(&request.actions));
        match &request.response {
            None => text += "\n      no response",
            Some(response) => {
                let cookie = match &response.cookie {
                    Received::Nothing => String::new(),
                    Received::Set(cookie) => format!(", sets {}", self.secret(Some(cookie))),
                    Received::Removed => ", removes the cookie".into(),
                };
                let (end, status) = (moment(response.end), response.status);
                _ = write!(text, "\n      {end}: {status}{cookie}");
            }
        }
        for (at, action, done) in request.done() {
            _ = write!(text, "\n      {}", self.done(action, done, request.outcome(at)));
        }
        text + "\n"
    }

    fn done(&self, action: &Action, done: &Done, outcome: Outcome) -> String {
        let mut text = format!("{}..{} {action}", done.from.order, moment(done.until));
        if action.uses_session() {
            let user = done.user.as_deref().unwrap_or("nobody");
            let (before, after) = (self.session(done.session.as_ref()), self.session(done.after.as_ref()));
            _ = write!(text, " in {before} of {user}");
            if before != after && done.error.is_none() {
                _ = write!(text, ", then {after}");
            }
        }
        if let Some(seen) = &done.seen {
            let tokens: Vec<_> = seen.list.iter().map(|(token, _)| token).collect();
            _ = write!(text, ", list {tokens:?}");
            if let Some(rest) = &seen.rest {
                let pairs: Vec<_> = rest.left.iter().map(|(token, _)| token).collect();
                _ = write!(text, ", pairs {pairs:?}, accounts {:?}", rest.accounts);
            }
        }
        match &done.error {
            Some(error) => _ = write!(text, ": {error}"),
            None if outcome != Outcome::Ok => _ = write!(text, ": {outcome:?}"),
            None => {}
        }
        text
    }
}

fn moment(moment: Moment) -> String {
    // The test clock begins at the start of 2025; only differences matter.
    format!("{} ({:.3} s)", moment.order, (moment.millis % 1_000_000_000) as f64 / 1000.0)
}
