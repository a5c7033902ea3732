use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use cloakroom::{Locking, testing};
use tokio::task::AbortHandle;

use super::clock::Clock;
use super::lot::{Lot, Stop, Verdict};
use super::parked::ParkedStore;
use super::plan::Plan;
use super::rng::Rng;
use super::stores::Stores;
use super::traffic::{Browser, Traffic};
use crate::action::Action;
use crate::app::{App, Stage};
use crate::cookie::{Cookie, forged, handle_of};
use crate::history::{History, Rules, Whose};

/// Makes the history of a seed.
///
/// # Panics
/// If the runtime cannot be built.
pub(crate) fn run(stores: &Stores, seed: u64) -> History {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let history = runtime.block_on(async { Schedule::new(stores, seed).play(seed).await });
    runtime.shutdown_background();
    history
}

struct Schedule {
    rng: Rng,
    plan: Plan,
    hostile: bool,
    lot: Arc<Lot>,
    clock: Arc<Clock>,
    traffic: Arc<Traffic>,
    servers: Vec<Router>,
    browsers: Vec<Browser>,
    under_way: Vec<UnderWay>,
    begun: usize,
}

struct UnderWay {
    number: usize,
    browser: usize,
    task: AbortHandle,
}

/// What may happen next.
enum Choice {
    Grant(usize, Stop),
    Begin(usize),
    Jump(u64),
    Wait(u64),
    HangUp(usize),
}

impl Schedule {
    fn new(stores: &Stores, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::new(&mut rng, seed, stores.hostile, stores.only);
        let lot = Arc::new(Lot::default());
        let clock = Arc::new(Clock::new(&lot));
        let opened = stores.open(&lot);
        let manager = |store| testing::manager(store, plan.settings.clone(), &clock.sessions).unwrap();
        let open = ParkedStore::open(Arc::clone(&opened[0]), Arc::clone(&lot), stores.threads.clone());
        // A look that waited for a lock would let the runtime's clock go on alone.
        let unlocked = plan.settings.clone().locking(Locking::Explicit);
        let probes = testing::manager(open, unlocked, &clock.sessions).unwrap();
        let servers = opened.into_iter().map(|store| {
            let parked = ParkedStore::new(store, Arc::clone(&lot), stores.threads.clone());
            App::router(manager(parked), Arc::clone(&clock) as Arc<dyn Stage>)
        });
        let servers = servers.collect();
        let traffic = Arc::new(Traffic::new(Arc::clone(&clock), Arc::clone(&lot), probes));
        let browsers = (0..plan.browsers).map(|_| Browser::new()).collect();
        let (hostile, under_way) = (stores.hostile, Vec::new());
        Self { rng, plan, hostile, lot, clock, traffic, servers, browsers, under_way, begun: 0 }
    }

    async fn play(mut self, seed: u64) -> History {
        let mut waited = 0;
        loop {
            self.lot.settle().await;
            self.under_way.retain(|request| !request.task.is_finished());
            // Enough of it: whatever is still to come, comes without faults.
            self.hostile &= self.begun < self.plan.requests;
            match self.choose() {
                Some(choice) => {
                    waited = 0;
                    self.happen(choice).await;
                }
                None if self.under_way.is_empty() || waited > LONGEST => break,
                // Whoever waits now waits for the time.
                None => {
                    waited += STEP;
                    tokio::time::sleep(Duration::from_millis(STEP)).await;
                    self.clock.advance(STEP);
                }
            }
            self.clock.advance(1);
        }
        self.look_at_what_is_left().await;
        self.history(seed)
    }

    fn choose(&mut self) -> Option<Choice> {
        let mut choices = Vec::new();
        for (place, stop) in self.lot.parked().into_iter().enumerate() {
            let weight = match stop {
                // The longer these take, the more gets in between.
                Stop::Touch | Stop::Late | Stop::Answer => 2,
                Stop::Pause => self.plan.haste,
                Stop::Delivery | Stop::Wait => 3,
                _ => 12,
            };
            choices.push((weight, Choice::Grant(place, stop)));
        }
        if self.begun < self.plan.requests {
            let idle = |browser: &usize| {
                let busy = self.under_way.iter().filter(|request| request.browser == *browser).count();
                // Until there is a session, every request would begin one of its own.
                let alone = self.plan.patient && !self.browsers[*browser].has_begun();
                busy < if alone { 1 } else { self.plan.at_once }
            };
            let browsers = (0..self.browsers.len()).filter(idle);
            choices.extend(browsers.map(|browser| (10, Choice::Begin(browser))));
            if !self.plan.jumps.is_empty() && self.plan.jumps_left > 0 {
                let jump = Choice::Jump(*self.rng.pick(self.plan.jumps));
                choices.push((self.plan.restless, jump));
            }
        }
        if choices.is_empty() {
            return None;
        }
        if self.plan.slow {
            choices.push((2, Choice::Wait(700)));
        }
        if let Some(times) = self.plan.hang_ups
            && !self.under_way.is_empty()
            && self.rng.one_in(times)
        {
            choices.push((40, Choice::HangUp(self.rng.within(0..self.under_way.len()))));
        }
        let weights: Vec<_> = choices.iter().map(|(weight, _)| *weight).collect();
        Some(choices.swap_remove(self.rng.weighted(&weights)).1)
    }

    async fn happen(&mut self, choice: Choice) {
        match choice {
            Choice::Grant(place, stop) => {
                let verdict = self.verdict(stop);
                self.lot.grant(place, verdict);
                if stop == Stop::Wait {
                    self.pass(200).await;
                }
            }
            Choice::Begin(browser) => self.begin(browser),
            Choice::Jump(millis) => {
                self.plan.jumps_left -= 1;
                self.clock.advance(millis);
            }
            Choice::Wait(millis) => self.pass(millis).await,
            Choice::HangUp(at) => {
                let request = self.under_way.swap_remove(at);
                request.task.abort();
                let now = self.clock.now();
                self.traffic.requests()[request.number].hung_up = Some(now);
            }
        }
    }

    /// Lets time pass, for timeouts too.
    async fn pass(&self, millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
        self.clock.advance(millis);
    }

    fn verdict(&mut self, stop: Stop) -> Verdict {
        let faulty = self.hostile && self.rng.one_in(6);
        match stop {
            Stop::Write | Stop::Touch if faulty => {
                *self.rng.pick(&[Verdict::Fail, Verdict::Unanswered, Verdict::Lost, Verdict::Late])
            }
            Stop::Call if faulty => *self.rng.pick(&[Verdict::Fail, Verdict::Unanswered, Verdict::Lost]),
            Stop::Load if faulty => match self.rng.within(0..4) {
                0 => Verdict::Mixed,
                1 => Verdict::Damaged(self.rng.within(0..1024)),
                _ => Verdict::Fail,
            },
            Stop::Write | Stop::Load if self.rng.one_in(5) => Verdict::Linger,
            _ => Verdict::Go,
        }
    }

    fn begin(&mut self, browser: usize) {
        self.begun += 1;
        let has_begun = self.browsers[browser].has_begun();
        let actions = self.plan.request(&mut self.rng, has_begun);
        let reads = !actions.iter().any(|action| action.uses_session() && *action != Action::Look);
        // What a method is meant for does not keep anybody from writing with it, and then without a lock.
        let method = if reads || self.rng.one_in(4) { Method::GET } else { Method::POST };
        let cookie = match self.rng.one_in(25) {
            true => Some(forged(std::array::from_fn(|_| self.rng.number() as u8))),
            false => self.browsers[browser].cookie(),
        };
        let server = self.rng.pick(&self.servers).clone();
        let number = self.traffic.begin(Whose::Browser(browser), actions, cookie);
        let carry = Arc::clone(&self.traffic).carry(number, method, server, self.browsers[browser].clone());
        let task = tokio::spawn(carry).abort_handle();
        self.under_way.push(UnderWay { number, browser, task });
    }

    /// With every cookie that was ever issued.
    async fn look_at_what_is_left(&self) {
        let requests = self.traffic.requests().clone();
        let cookies: Vec<Cookie> =
            requests.iter().filter_map(|request| request.received_cookie().map(str::to_owned)).collect();
        for cookie in cookies.into_iter().filter(|cookie| handle_of(cookie).is_some()) {
            self.traffic.probe(Whose::Last, cookie).await;
        }
    }

    fn history(&self, seed: u64) -> History {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let settings = &self.plan.settings;
        let rules = Rules {
            idle: millis(settings.idle_timeout),
            absolute: millis(settings.absolute_timeout),
            grace: millis(settings.grace),
            late: millis(settings.late_window),
            lease: millis(settings.lease_ttl),
            unreadable: self.lot.unreadable(),
        };
        History { seed: Some(seed), rules, requests: std::mem::take(&mut *self.traffic.requests()) }
    }
}

/// For how long, in milliseconds of the runtime's clock, a request may take that nobody keeps waiting; a lock's and a
/// store's time together, and some more.
const LONGEST: u64 = 60_000;
const STEP: u64 = 500;
