use crate::action::{Action, Token};
use crate::cookie::{Handle, handle_of};
use crate::history::{Entry, History, Moment, Outcome, Received, Request, Seen, Whose};

/// A history, sorted by what the properties ask for.
pub(super) struct Facts<'a> {
    pub(super) history: &'a History,
    pub(super) writes: Vec<Write<'a>>,
    pub(super) sights: Vec<Sight<'a>>,
    pub(super) changes: Vec<Change<'a>>,
    pub(super) issues: Vec<Issue<'a>>,
}

/// A token that was to be written.
pub(super) struct Write<'a> {
    pub(super) token: Token,
    pub(super) action: &'a Action,
    pub(super) request: usize,
    /// Where it went, if the client knows.
    pub(super) session: Option<Handle>,
    pub(super) user: Option<&'a str>,
    pub(super) outcome: Outcome,
    pub(super) start: Moment,
    /// When it was acknowledged.
    pub(super) end: Option<Moment>,
}

/// What a session held at some time between two moments.
pub(super) struct Sight<'a> {
    pub(super) request: usize,
    pub(super) session: &'a Handle,
    pub(super) user: Option<&'a str>,
    pub(super) start: Moment,
    pub(super) end: Moment,
    pub(super) seen: &'a Seen,
    /// Seen by an append that was stored on top of it, or by a put that was.
    pub(super) under: Option<Token>,
}

/// Anything but a write: a change of the secret, an end, a take, a sweep.
pub(super) struct Change<'a> {
    pub(super) action: &'a Action,
    pub(super) request: usize,
    /// Whose session it was, and which, if the action was about one.
    pub(super) session: Option<Handle>,
    pub(super) outcome: Outcome,
    pub(super) start: Moment,
    /// When it was over; `None` where it may come at any time later.
    pub(super) end: Option<Moment>,
    /// What it took.
    pub(super) took: Option<&'a [Entry]>,
}

/// A cookie that a response carried.
pub(super) struct Issue<'a> {
    pub(super) request: usize,
    pub(super) cookie: &'a str,
    pub(super) session: Handle,
}

impl<'a> Facts<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let mut facts =
            Self { history, writes: Vec::new(), sights: Vec::new(), changes: Vec::new(), issues: Vec::new() };
        for (number, request) in history.requests.iter().enumerate() {
            if let Some(Received::Set(cookie)) = request.response.as_ref().map(|response| &response.cookie)
                && let Some(session) = handle_of(cookie)
            {
                facts.issues.push(Issue { request: number, cookie, session });
            }
            for at in 0..request.actions.len() {
                facts.add_change(number, request, at);
            }
        }
        for (number, request) in history.requests.iter().enumerate() {
            for at in 0..request.actions.len() {
                facts.add_write(number, request, at);
            }
            facts.add_sights(number, request);
        }
        facts
    }

    pub(super) fn request(&self, number: usize) -> &'a Request {
        &self.history.requests[number]
    }

    fn add_change(&mut self, number: usize, request: &'a Request, at: usize) {
        let action = &request.actions[at];
        let takes = matches!(action, Action::Take);
        if !action.ends_secret() && !takes && !matches!(action, Action::EndAll(_) | Action::Purge) {
            return;
        }
        let done = request.report().and_then(|report| report.get(at));
        let session = match done {
            _ if !action.uses_session() => None,
            Some(done) => done.session.clone().or_else(|| done.after.clone()),
            None => request.sent_session(),
        };
        self.changes.push(Change {
            action,
            request: number,
            session,
            outcome: request.outcome(at),
            start: done.map_or(request.start, |done| done.from),
            end: match request.outcome(at) {
                Outcome::Unknown => None,
                _ => request.done_at(at),
            },
            took: done.and_then(|done| done.seen.as_ref()).map(|seen| &seen.list[..]),
        });
    }

    fn add_write(&mut self, number: usize, request: &'a Request, at: usize) {
        let action = &request.actions[at];
        let (Action::Append(token) | Action::Put(token) | Action::Pair(token)) = action else { return };
        let done = request.report().and_then(|report| report.get(at));
        let (mut outcome, mut session) = (request.outcome(at), done.and_then(|done| done.after.clone()));
        let mut end = request.done_at(at);
        if !action.is_immediate() && outcome == Outcome::Ok {
            (outcome, session, end) = self.settle(number, request, at, session);
        }
        self.writes.push(Write {
            token: *token,
            action,
            request: number,
            session,
            user: done.and_then(|done| done.user.as_deref()),
            outcome,
            start: done.map_or(request.start, |done| done.from),
            end: end.filter(|_| outcome == Outcome::Ok),
        });
    }

    /// What became of something recorded that was said to be saved, where, and when: with the next immediate action, or at
    /// the end of the request.
    fn settle(
        &self,
        number: usize,
        request: &Request,
        at: usize,
        session: Option<Handle>,
    ) -> (Outcome, Option<Handle>, Option<Moment>) {
        let mut later = request.done().skip(at + 1);
        let saved = later.find(|(_, action, done)| action.is_immediate() && done.error.is_none());
        let before = saved.map_or(request.actions.len(), |(saved, ..)| saved);
        let signs_in = |actions: &[Action]| actions.iter().any(|a| matches!(a, Action::SignIn(_)));
        // Where a session was superseded, a sign-in begins anew without what was recorded before it.
        let (under_sign_in, before_sign_in) = (
            signs_in(&request.actions[..at]),
            signs_in(&request.actions[at..before]) && request.sent.is_some(),
        );
        let home = match saved {
            Some((.., done)) => done.after.clone(),
            None => request.received_session().or_else(|| session.clone()),
        };
        let end = saved.map_or(request.end(), |(.., done)| Some(done.until));
        let outcome = match (&session, &home) {
            (_, None) if saved.is_none() => Outcome::Failed,
            (_, None) => Outcome::Unknown,
            (None, Some(_)) if before_sign_in => Outcome::Unknown,
            (None, Some(_)) => Outcome::Ok,
            (Some(then), Some(home)) if then != home && !under_sign_in => Outcome::Unknown,
            (Some(then), Some(home)) if then != home => Outcome::Ok,
            (Some(_), Some(_)) if saved.is_some() => Outcome::Ok,
            (Some(session), Some(_)) if self.certainly_kept(number, session) => Outcome::Ok,
            _ => Outcome::Unknown,
        };
        (outcome, home, end)
    }

    /// Whether what the request recorded for the session was certainly saved with it, given that it was told so.
    fn certainly_kept(&self, number: usize, session: &Handle) -> bool {
        let request = self.request(number);
        let Some(end) = request.end() else { return false };
        let Some(cookie) =
            request.sent.as_deref().filter(|_| request.sent_session().as_ref() == Some(session))
        else {
            // It made the session itself, and nobody else had its secret.
            return !self.may_be_over(session, end, Some(number));
        };
        self.excuse(cookie, session, [request.start, end], Some(number)).is_none()
    }

    fn add_sights(&mut self, number: usize, request: &'a Request) {
        // A snapshot is as old as the request, or as the last call that took a new one.
        let mut start = request.start;
        for (at, action, done) in request.done() {
            // What it takes of its own, unsaved, is no news of what is stored.
            let own = request.actions[..at].iter().any(|action| matches!(action, Action::Put(_)));
            let took = !own && done.seen.as_ref().is_some_and(|seen| !seen.list.is_empty());
            if let (Some(seen), Some(session)) = (&done.seen, &done.after) {
                let user = done.user.as_deref();
                let (start, end, under) = match action {
                    Action::Append(token) => (done.from, done.until, Some(*token)),
                    Action::Take if took => (done.from, done.until, None),
                    // If it was stored, then on top of what it read.
                    Action::Put(token) if self.writes.iter().any(|write| write.is_ok(*token)) => {
                        let end = request.done_at(at).unwrap_or(done.until);
                        (done.until, end, Some(*token))
                    }
                    _ => (start, done.until, None),
                };
                self.sights.push(Sight { request: number, session, user, start, end, seen, under });
            }
            if matches!(action, Action::Append(_)) || *action == Action::Take && took {
                start = done.from;
            }
        }
    }

    /// The request whose response brought this cookie.
    pub(super) fn issue(&self, cookie: &str) -> Option<&Issue<'a>> {
        self.issues.iter().find(|issue| issue.cookie == cookie)
    }

    /// Why the session may not be there, or not for the holder of this cookie, at some time between two moments. `None` if it
    /// must be.
    pub(super) fn excuse(
        &self,
        cookie: &str,
        session: &Handle,
        [from, until]: [Moment; 2],
        own: Option<usize>,
    ) -> Option<&'static str> {
        if self.history.rules.unreadable.contains(session) {
            return Some("its record could not be read");
        }
        let Some(issue) = self.issue(cookie) else { return Some("it was never issued") };
        if self.may_be_over(session, until, own) {
            return Some("it may have ended");
        }
        if self.may_have_expired(session, from, until) {
            return Some("it may have expired");
        }
        let issued = self.request(issue.request);
        for change in self.changes.iter().filter(|change| change.session.as_ref() == Some(session)) {
            let before_issue = change.end.is_some_and(|end| end.order < issued.start.order);
            // What it was asked for in vain may come late, and then nobody has the new secret.
            let issue_itself = change.request == issue.request && change.outcome == Outcome::Ok;
            let apart = Some(change.request) == own || issue_itself || before_issue;
            if change.outcome == Outcome::Failed || change.start.order >= until.order || apart {
                continue;
            }
            match change.action {
                action if action.drops_secrets() => {
                    return Some("a sign-in or an elevation may have replaced its secret");
                }
                Action::Rotate => {
                    if let Some(why) = self.rotation_excuse(issue, change, until) {
                        return Some(why);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Why this rotation may have taken the session from the holder of this cookie by `until`.
    fn rotation_excuse(&self, issue: &Issue<'_>, change: &Change<'_>, until: Moment) -> Option<&'static str> {
        let rules = &self.history.rules;
        if change.start.millis + rules.hold() <= until.millis {
            return Some("a rotation may have replaced its secret, and held it no longer");
        }
        let presented = self.history.requests.iter().any(|request| {
            let newer = request.sent.as_deref().is_some_and(|sent| self.may_be_newer(sent, issue));
            let long_ago = request.start.millis + rules.grace <= until.millis;
            newer && long_ago && request.start.order < until.order && request.may_note()
        });
        if presented {
            return Some(
                "a rotation may have replaced its secret, and the new one was presented a grace time ago",
            );
        }
        let issued = self.request(issue.request);
        let lost = issued.actions.contains(&Action::Rotate)
            && self.request(change.request).sent.as_deref() != Some(issue.cookie)
            && issued.start.millis + rules.grace <= until.millis
            && !self.was_presented(issue, change.start);
        lost.then_some("another rotation may have taken its secret for lost")
    }

    /// Whether it is certain that the session knew before that time that somebody has this cookie.
    fn was_presented(&self, issue: &Issue<'_>, before: Moment) -> bool {
        self.writes.iter().any(|write| {
            matches!(write.action, Action::Append(_))
                && write.outcome == Outcome::Ok
                && write.session.as_ref() == Some(&issue.session)
                && write.end.is_some_and(|end| end.order < before.order)
                && self.request(write.request).sent.as_deref() == Some(issue.cookie)
        })
    }

    /// The requests that came with this cookie and may have had it noted that they did.
    pub(super) fn presentations(&self, cookie: &str) -> impl Iterator<Item = (usize, &'a Request)> {
        let requests = self.history.requests.iter().enumerate();
        requests.filter(move |(_, request)| request.may_note() && request.sent.as_deref() == Some(cookie))
    }

    /// Whether this cookie is of the same session as that one, and certainly came after it.
    pub(super) fn is_newer(&self, cookie: &str, than: &Issue<'_>) -> bool {
        let issued = self.issue(cookie).filter(|issue| issue.session == than.session);
        issued.is_some_and(|issue| self.request(than.request).is_before(self.request(issue.request).start))
    }

    /// Whether this cookie is of the same session as that one, and may have come after it.
    fn may_be_newer(&self, cookie: &str, than: &Issue<'_>) -> bool {
        let issued = self.issue(cookie).filter(|issue| issue.session == than.session);
        issued.is_some_and(|issue| {
            let older = self.request(issue.request).is_before(self.request(than.request).start);
            issue.cookie != than.cookie && !older
        })
    }

    /// Whether the session may have been ended before `until`, by anybody but the request `own`.
    pub(super) fn may_be_over(&self, session: &Handle, until: Moment, own: Option<usize>) -> bool {
        self.changes.iter().any(|change| {
            let possible = change.outcome != Outcome::Failed
                && change.start.order < until.order
                && Some(change.request) != own;
            possible
                && match change.action {
                    Action::SignOut => change.session.as_ref() == Some(session),
                    Action::EndAll(user) => self.may_have_been(session, user),
                    _ => false,
                }
        })
    }

    /// Whether the session may have been this user's at any time.
    pub(super) fn may_have_been(&self, session: &Handle, user: &str) -> bool {
        self.changes.iter().any(|change| {
            let signs_in = matches!(change.action, Action::SignIn(who) if who == user);
            signs_in && change.outcome != Outcome::Failed && self.may_be_about(change, session)
        })
    }

    /// Whether a sign-in may have been one to this session: to the one it was sent to, or to the one it received.
    pub(super) fn may_be_about(&self, change: &Change<'_>, session: &Handle) -> bool {
        change.session.as_ref() == Some(session)
            || self.request(change.request).received_session().as_ref() == Some(session)
    }

    /// Whether the session was certainly remembered before that time, and no other sign-in may have undone it.
    fn was_remembered(&self, session: &Handle, before: Moment) -> bool {
        let sign_ins = || {
            self.changes.iter().filter(|change| {
                let signs_in =
                    matches!(change.action, Action::SignIn(_)) && change.outcome != Outcome::Failed;
                signs_in && self.may_be_about(change, session)
            })
        };
        self.history.requests.iter().enumerate().any(|(number, request)| {
            let remembers = request.actions.iter().position(|action| *action == Action::Remember);
            let ok = remembers.is_some_and(|at| request.outcome(at) == Outcome::Ok);
            let ended_before =
                |change: &Change<'_>| change.end.is_some_and(|end| end.order < request.start.order);
            ok && request.received_session().as_ref() == Some(session)
                && request.is_before(before)
                && sign_ins().all(|change| change.request == number || ended_before(change))
        })
    }

    /// Whether the session may ever have been remembered.
    pub(super) fn may_be_remembered(&self, session: &Handle) -> bool {
        self.changes.iter().any(|change| {
            let remembers = self.request(change.request).actions.contains(&Action::Remember);
            remembers && matches!(change.action, Action::SignIn(_)) && self.may_be_about(change, session)
        })
    }

    /// Whether the session's time may have been over between `from` and `until`. What was written prolongs it for certain; reading does so
    /// in the background, perhaps never.
    fn may_have_expired(&self, session: &Handle, from: Moment, until: Moment) -> bool {
        let rules = &self.history.rules;
        let writes = self.writes.iter().filter(|write| write.outcome == Outcome::Ok);
        let writes = writes.filter(|write| write.session.as_ref() == Some(session));
        let writes = writes.filter(|write| write.end.is_some_and(|end| end.order < from.order));
        let used = writes.map(|write| write.start.millis);
        let issues = self.issues.iter().filter(|issue| issue.session == *session);
        let issued = issues.map(|issue| self.request(issue.request));
        let issued = issued.filter(|request| request.is_before(from)).map(|request| request.start.millis);
        let begun = issued.clone().min();
        let Some(used) = used.chain(issued).max() else { return true };
        let [idle, absolute] = match self.was_remembered(session, from) {
            true => [Action::REMEMBERED; 2],
            false => [rules.idle, rules.absolute],
        };
        used + idle <= until.millis || begun.is_none_or(|begun| begun + absolute <= until.millis)
    }

    /// The requests to the same session that may have been under way at the same time.
    pub(super) fn company(&self, number: usize) -> impl Iterator<Item = (usize, &'a Request)> {
        let request = self.request(number);
        let (session, end) = (request.sent_session(), request.end());
        self.history.requests.iter().enumerate().filter(move |(other_number, other)| {
            let same =
                session.is_some() && (other.sent_session() == session || other.received_session() == session);
            let begins_before = end.is_none_or(|end| other.start.order < end.order);
            *other_number != number && same && begins_before && !other.is_before(request.start)
        })
    }

    /// Requests of browsers, probes and the last looks that came back with a report.
    pub(super) fn answered(&self) -> impl Iterator<Item = (usize, &'a Request)> {
        let requests = self.history.requests.iter().enumerate();
        requests.filter(|(_, request)| request.report().is_some())
    }
}

impl Write<'_> {
    fn is_ok(&self, token: Token) -> bool {
        self.token == token && self.outcome == Outcome::Ok
    }

    pub(super) fn is_to_list(&self) -> bool {
        !matches!(self.action, Action::Pair(_))
    }
}

impl Sight<'_> {
    /// Everything in it, with the user it was written for.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        let rest = self.seen.rest.iter().flat_map(|rest| rest.left.iter().chain(&rest.right));
        self.seen.list.iter().chain(rest)
    }

    pub(super) fn holds(&self, token: Token) -> bool {
        self.entries().any(|(found, _)| *found == token)
    }
}

/// Whether this is a look past the queues.
pub(super) fn probed(request: &Request) -> Option<usize> {
    match request.whose {
        Whose::ProbeOf(of) => Some(of),
        _ => None,
    }
}
