use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::action::{Action, Token, User};
use crate::cookie::{Cookie, Handle, handle_of};

/// What clients asked, and what came back.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What it was made from, if it can be made again.
    pub seed: Option<u64>,
    /// What was agreed on before.
    pub rules: Rules,
    /// The requests, by their number.
    pub requests: Vec<Request>,
}

/// The settings that the sessions went by, in milliseconds, and what was done to their store.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `idle_timeout`.
    pub idle: u64,
    /// `absolute_timeout`.
    pub absolute: u64,
    /// `grace`.
    pub grace: u64,
    /// `late_window`.
    pub late: u64,
    /// `lease_ttl`: a lock may pass to another instance after that.
    pub lease: u64,
    /// Sessions whose record could not be read for a while, and which so counted as absent (failure F14).
    pub unreadable: BTreeSet<Handle>,
}

/// A point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Orders all moments of a history: what happened before has a smaller number.
    pub order: u64,
    /// The time on the clock that the sessions go by, in milliseconds.
    pub millis: u64,
}

/// Who made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A browser.
    Browser(usize),
    /// A look past all queues and faults with the cookie of another request's response, at that moment.
    ProbeOf(usize),
    /// A look at what is left at the end.
    Last,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who made it.
    pub whose: Whose,
    /// What it was to do.
    pub actions: Vec<Action>,
    /// The cookie it was sent with.
    pub sent: Option<Cookie>,
    /// When it was sent.
    pub start: Moment,
    /// The client went away at that time.
    pub hung_up: Option<Moment>,
    /// What came back.
    pub response: Option<Response>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// When.
    pub end: Moment,
    /// The status.
    pub status: u16,
    /// What it does to the browser's cookie.
    pub cookie: Received,
    /// What the application says of each action, up to the first that failed; `None` if the response is not the
    /// application's own.
    pub report: Option<Vec<Done>>,
}

/// What a response does to the browser's cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Received {
    /// Nothing.
    #[default]
    Nothing,
    /// This one is to be kept.
    Set(Cookie),
    /// It is to be removed.
    Removed,
}

/// What the application saw of one action.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// When it began.
    pub from: Moment,
    /// When it had returned.
    pub until: Moment,
    /// The session before it, if one was stored.
    pub session: Option<Handle>,
    /// The session after it.
    pub after: Option<Handle>,
    /// Whose session it was when it began.
    pub user: Option<User>,
    /// What it read.
    pub seen: Option<Seen>,
    /// The kind of error it ended with.
    pub error: Option<String>,
}

/// What became of an action, as far as the client can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It certainly was not, and never will be.
    Failed,
    /// Who knows.
    Unknown,
}

/// A token, and the user at its writing.
pub type Entry = (Token, Option<User>);

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The list.
    pub list: Vec<Entry>,
    /// Everything else, if that was read as well, at the same time.
    pub rest: Option<Everything>,
}

/// What is in a session beside its list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Everything {
    /// The first halves of pairs.
    pub left: Vec<Entry>,
    /// The second halves.
    pub right: Vec<Entry>,
    /// The accounts; none before they are opened.
    pub accounts: Vec<i64>,
}

impl Everything {
    /// What all accounts hold together, once they are open.
    pub const TOTAL: i64 = 300;
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            idle: 3_600_000,
            absolute: 24 * 3_600_000,
            grace: 30_000,
            late: 10_000,
            lease: 10_000,
            unreadable: BTreeSet::new(),
        }
    }
}

impl Rules {
    /// How long the secret before a rotation works at most.
    pub(crate) fn hold(&self) -> u64 {
        self.idle.min(3_600_000)
    }
}

impl Received {
    /// What a response with these `Set-Cookie` fields does.
    ///
    /// # Panics
    /// If there is more than one.
    pub fn of(set_cookies: &[String]) -> Self {
        let [set_cookie] = set_cookies else {
            assert!(set_cookies.is_empty(), "at most one cookie is set: {}", set_cookies.len());
            return Self::Nothing;
        };
        let value =
            set_cookie.split_once('=').and_then(|(_, rest)| rest.split(';').next()).unwrap_or_default();
        if value.is_empty() { Self::Removed } else { Self::Set(value.to_owned()) }
    }
}

impl Request {
    /// The name of the session whose cookie it was sent with.
    pub fn sent_session(&self) -> Option<Handle> {
        self.sent.as_deref().and_then(handle_of)
    }

    /// The name of the session whose cookie it received.
    pub fn received_session(&self) -> Option<Handle> {
        self.received_cookie().and_then(handle_of)
    }

    /// The cookie it received.
    pub fn received_cookie(&self) -> Option<&str> {
        match &self.response.as_ref()?.cookie {
            Received::Set(cookie) => Some(cookie),
            _ => None,
        }
    }

    /// What the application says, if that came back.
    pub fn report(&self) -> Option<&[Done]> {
        self.response.as_ref()?.report.as_deref()
    }

    /// What the application says of each action that it came to.
    pub fn done(&self) -> impl Iterator<Item = (usize, &Action, &Done)> {
        let report = self.report().unwrap_or_default();
        self.actions.iter().zip(report).enumerate().map(|(i, (action, done))| (i, action, done))
    }

    /// What it was to its session when it first asked for it: `None` if it did not come to that, and `Some(None)` if
    /// there was no stored session for it.
    pub fn first_session(&self) -> Option<Option<&Handle>> {
        let first = self.done().find(|(_, action, _)| action.uses_session())?.2;
        first.error.is_none().then_some(first.session.as_ref())
    }

    /// Whether it wants nothing changed.
    pub fn only_looks(&self) -> bool {
        self.actions.iter().all(|action| matches!(action, Action::Look | Action::Pause | Action::Fail))
    }

    /// Whether it may leave anything in its session; the looks past the queues do not.
    pub(crate) fn may_note(&self) -> bool {
        matches!(self.whose, Whose::Browser(_))
    }

    /// When the client knew that it was over; `None` where work may still have been under way.
    pub fn end(&self) -> Option<Moment> {
        self.response.as_ref().map(|response| response.end)
    }

    /// Whether it was certainly over before `other`.
    pub fn is_before(&self, other: Moment) -> bool {
        self.end().is_some_and(|end| end.order < other.order)
    }

    /// What became of the action with this number.
    ///
    /// An immediate one is known when it returns. The others are stored with the next immediate one, or with a response
    /// below 500. Of those a 200 says too much in one case, which is not decided here: what the session's end or another
    /// user's sign-in overtook is dropped (failure F5).
    pub fn outcome(&self, number: usize) -> Outcome {
        let Some(response) = &self.response else { return Outcome::Unknown };
        let action = &self.actions[number];
        let later = &self.actions[number + 1..];
        let Some(report) = &response.report else {
            // The engine answered instead of the application. With 409 it has saved nothing at the end.
            let at_the_end = !action.is_immediate() && !later.iter().any(Action::is_immediate);
            return if response.status == 409 && at_the_end { Outcome::Failed } else { Outcome::Unknown };
        };
        let Some(done) = report.get(number) else { return Outcome::Failed };
        if let Some(error) = &done.error {
            return if error == "Unavailable" { Outcome::Unknown } else { Outcome::Failed };
        }
        if action.is_immediate() || matches!(action, Action::EndAll(_) | Action::Purge | Action::Lock) {
            return Outcome::Ok;
        }
        if *action == Action::SignOut {
            // It says so by taking the cookie away, or by a fresh session's. That a sign-in sets in any case, also where
            // another request had replaced the secret meanwhile, and nothing was ended.
            let by_sign_in = later.iter().any(|action| matches!(action, Action::SignIn(_)));
            return match response.cookie {
                Received::Nothing => Outcome::Unknown,
                Received::Set(_) if by_sign_in => Outcome::Unknown,
                _ => Outcome::Ok,
            };
        }
        for (action, done) in self.actions.iter().zip(report).skip(number + 1) {
            match action {
                Action::SignOut if done.error.is_none() => return Outcome::Failed,
                Action::SignIn(user) if done.user.as_ref().is_some_and(|before| before != user) => {
                    return Outcome::Failed;
                }
                action if action.is_immediate() => match done.error.as_deref() {
                    None => return Outcome::Ok,
                    Some("Unavailable") => return Outcome::Unknown,
                    // With a lock that was lost, all that was recorded is; with a key that had changed, it is kept.
                    Some("Conflict") => return Outcome::Unknown,
                    Some(_) => {}
                },
                _ => {}
            }
            if done.error.as_deref() == Some("Ended") {
                // Everything recorded was dropped with the session, but for a sign-in and what followed it.
                let salvaged = self.actions.iter().any(|action| matches!(action, Action::SignIn(_)));
                return if salvaged { Outcome::Unknown } else { Outcome::Failed };
            }
        }
        if response.status < 500 { Outcome::Ok } else { Outcome::Failed }
    }

    /// When the action with this number was done, if it was: an immediate one when it returned.
    pub(crate) fn done_at(&self, number: usize) -> Option<Moment> {
        let done = self.report().and_then(|report| report.get(number));
        match done {
            Some(done) if self.actions[number].is_immediate() => Some(done.until),
            _ => self.end(),
        }
    }
}
