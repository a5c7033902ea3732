use crate::action::{Action, Token};
use crate::check::check;
use crate::cookie::{Handle, forged, handle_of};
use crate::history::{Done, Entry, Everything, History, Moment, Received, Request, Response, Seen, Whose};

/// A cookie: a session and its secret.
pub(super) type Coat = [u8; 2];

pub(super) const S1: Coat = [1, 1];
/// The same session under its next secret.
pub(super) const S1_NEW: Coat = [1, 2];
pub(super) const S2: Coat = [2, 1];

pub(super) fn cookie([session, secret]: Coat) -> String {
    forged(std::array::from_fn(|i| if i < 16 { session } else { secret }))
}

pub(super) fn session(coat: Coat) -> Handle {
    handle_of(&cookie(coat)).unwrap()
}

/// Tells a history: one request after the other, unless one is begun and answered later.
#[derive(Default)]
pub(super) struct Story {
    history: History,
    now: Moment,
    /// The request that is being told of.
    at: usize,
    user: Option<&'static str>,
}

impl Story {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn tick(&mut self) -> Moment {
        self.now.order += 1;
        self.now
    }

    /// Lets time pass.
    pub(super) fn later(&mut self, seconds: u64) -> &mut Self {
        self.now.millis += seconds * 1000;
        self
    }

    /// Whose session it is from now on.
    pub(super) fn of(&mut self, user: Option<&'static str>) -> &mut Self {
        self.user = user;
        self
    }

    /// A request is sent.
    pub(super) fn begin(&mut self, browser: usize, sent: Option<Coat>, path: &str) -> &mut Self {
        let start = self.tick();
        self.at = self.history.requests.len();
        self.history.requests.push(Request {
            whose: Whose::Browser(browser),
            actions: Action::parse_path(path).unwrap(),
            sent: sent.map(cookie),
            start,
            hung_up: None,
            response: None,
        });
        self
    }

    /// The number of the request that is being told of.
    pub(super) fn number(&self) -> usize {
        self.at
    }

    /// Goes on with another request.
    pub(super) fn back_to(&mut self, number: usize) -> &mut Self {
        self.at = number;
        self
    }

    /// Its next action begins and ends, in this session.
    pub(super) fn does(&mut self, coat: Option<Coat>) -> &mut Self {
        let (from, until) = (self.tick(), self.tick());
        let session = coat.map(session);
        let user = self.user.map(str::to_owned);
        let done = Done { from, until, after: session.clone(), session, user, ..Done::default() };
        self.report().push(done);
        self
    }

    /// It is answered.
    pub(super) fn ends(&mut self, status: u16) -> &mut Self {
        let end = self.tick();
        let response = self.response();
        (response.end, response.status) = (end, status);
        self
    }

    fn response(&mut self) -> &mut Response {
        let nothing = Response {
            end: Moment::default(),
            status: 200,
            cookie: Received::Nothing,
            report: Some(Vec::new()),
        };
        self.history.requests[self.at].response.get_or_insert(nothing)
    }

    fn report(&mut self) -> &mut Vec<Done> {
        self.response().report.as_mut().unwrap()
    }

    fn last(&mut self) -> &mut Done {
        self.report().last_mut().unwrap()
    }

    /// A whole request in this session, answered 200.
    pub(super) fn ok(&mut self, browser: usize, coat: Coat, path: &str) -> &mut Self {
        self.whole(browser, Some(coat), Some(coat), path, 200)
    }

    /// The same without a session to be found.
    pub(super) fn fresh(&mut self, browser: usize, coat: Coat, path: &str) -> &mut Self {
        self.whole(browser, Some(coat), None, path, 200)
    }

    /// The first request of a session.
    pub(super) fn new_session(&mut self, browser: usize, coat: Coat, path: &str) -> &mut Self {
        self.whole(browser, None, None, path, 200).sets(coat);
        self.last().after = Some(session(coat));
        self
    }

    pub(super) fn whole(
        &mut self,
        browser: usize,
        sent: Option<Coat>,
        found: Option<Coat>,
        path: &str,
        status: u16,
    ) -> &mut Self {
        self.begin(browser, sent, path);
        for _ in 0..self.history.requests[self.at].actions.len() {
            self.does(found);
        }
        self.ends(status)
    }

    /// Its last action saw this list.
    pub(super) fn saw(&mut self, list: &[Token]) -> &mut Self {
        let entry = |user: Option<&str>, token: &Token| -> Entry { (*token, user.map(str::to_owned)) };
        let list = list.iter().map(|token| entry(self.user, token)).collect();
        self.last().seen = Some(Seen { list, rest: Some(Everything::default()) });
        self
    }

    /// Its last action saw this.
    pub(super) fn saw_all(&mut self, list: &[Entry], rest: Everything) -> &mut Self {
        self.last().seen = Some(Seen { list: list.to_vec(), rest: Some(rest) });
        self
    }

    pub(super) fn fails(&mut self, error: &str) -> &mut Self {
        self.last().error = Some(error.to_owned());
        self
    }

    pub(super) fn sets(&mut self, coat: Coat) -> &mut Self {
        self.response().cookie = Received::Set(cookie(coat));
        self
    }

    pub(super) fn removes(&mut self) -> &mut Self {
        self.response().cookie = Received::Removed;
        self
    }

    /// The engine answered in the application's place.
    pub(super) fn replaced(&mut self, status: u16) -> &mut Self {
        self.response().report = None;
        self.ends(status)
    }

    pub(super) fn hangs_up(&mut self) -> &mut Self {
        let now = self.tick();
        self.history.requests[self.at].hung_up = Some(now);
        self
    }

    pub(super) fn is_probe_of(&mut self, number: usize) -> &mut Self {
        let at = self.at;
        self.history.requests[at].whose = Whose::ProbeOf(number);
        self
    }

    pub(super) fn accepted(&self) {
        if let Err(violations) = check(&self.history) {
            panic!("{}", violations[0]);
        }
    }

    /// For exactly this.
    pub(super) fn rejected(&self, property: &str) {
        let violations = check(&self.history).expect_err("it should be rejected");
        for violation in &violations {
            assert_eq!(violation.property, property, "{violation}");
            assert!(violation.requests.is_empty() || !violation.excerpt.is_empty());
        }
    }
}
