use std::time::Duration;

use cloakroom::{Locking, Settings};

use super::rng::Rng;
use crate::action::{Action, Token, User};

/// What the requests of one history are like.
#[derive(Debug)]
pub struct Plan {
    /// What the sessions go by.
    pub settings: Settings,
    /// How many browsers there are.
    pub browsers: usize,
    /// How many requests there are in all.
    pub requests: usize,
    /// How many of one browser at a time.
    pub at_once: usize,
    /// Whether a browser without a session begins one first, and waits for it.
    pub patient: bool,
    /// Whether calls may take longer than the engine waits for them.
    pub slow: bool,
    /// How often a client goes away: once in so many choices, or never.
    pub hang_ups: Option<usize>,
    /// By how many milliseconds the clock may jump.
    pub jumps: &'static [u64],
    /// How many jumps are still to come.
    pub jumps_left: usize,
    /// How readily it jumps, beside 12 for a call of the store.
    pub restless: usize,
    /// How readily a handler that pauses goes on, beside 12 for a call of the store.
    pub haste: usize,
    kinds: &'static [(usize, Kind)],
    users: Vec<User>,
    tokens: Token,
}

/// A kind of request.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Look,
    Append,
    Put,
    Pair,
    Take,
    Transfer,
    Locked,
    Hold,
    SignIn,
    SignOut,
    Rotate,
    Elevate,
    EndAll,
    Purge,
    Slow,
    Fail,
    Mix,
}

use Kind::*;

/// What requests do, how often, and by how many milliseconds the clock may jump meanwhile.
struct Workload {
    name: &'static str,
    kinds: &'static [(usize, Kind)],
    jumps: &'static [&'static [u64]],
}

/// The workloads of SAFETY §3: list-append, bank, login and logout, locks with and without others, revoke; then slow
/// requests among sweeps, and among ends too, readers among ends, and one of everything.
const WORKLOADS: &[Workload] = &[
    Workload {
        name: "list",
        kinds: &[(4, Append), (3, Put), (2, Pair), (2, Look), (1, Take), (1, Fail), (1, Mix)],
        jumps: &[NONE, NONE, &[MINUTE]],
    },
    Workload {
        name: "bank",
        kinds: &[(5, Transfer), (2, Look), (1, Pair), (1, Fail), (1, Locked)],
        jumps: &[NONE, NONE, &[MINUTE]],
    },
    Workload {
        name: "sign",
        kinds: &[
            (3, SignIn),
            (3, Append),
            (2, Put),
            (1, Pair),
            (2, SignOut),
            (2, Rotate),
            (1, Elevate),
            (2, Look),
            (1, Mix),
        ],
        jumps: &[NONE, &[MINUTE], &[10_000, GRACE], ALL],
    },
    Workload {
        name: "locks",
        kinds: &[(5, Locked), (2, Put), (1, Append), (1, Look), (1, Rotate)],
        jumps: &[NONE, &[4_000, LEASE]],
    },
    Workload {
        name: "locks only",
        kinds: &[(3, Locked), (3, Hold), (1, Look)],
        jumps: &[NONE, &[LEASE], &[LEASE]],
    },
    Workload {
        name: "revoke",
        kinds: &[(3, SignIn), (2, EndAll), (3, Append), (1, Pair), (2, Look), (1, SignOut), (1, Purge)],
        jumps: &[NONE, &[MINUTE], ALL],
    },
    Workload { name: "sweeps", kinds: &[(4, Slow), (3, Purge), (2, Append), (1, Look)], jumps: &[&[SWEPT]] },
    Workload { name: "sleepers", kinds: &[(5, Slow), (3, SignOut), (3, Purge)], jumps: &[&[SWEPT]] },
    Workload { name: "ends", kinds: &[(4, Look), (2, SignOut), (2, Append), (1, Slow)], jumps: &[&[MINUTE]] },
    Workload {
        name: "everything",
        kinds: &[
            (2, Append),
            (2, Put),
            (1, Take),
            (1, Locked),
            (1, SignIn),
            (1, SignOut),
            (2, Rotate),
            (1, Elevate),
            (1, Purge),
            (1, Slow),
            (3, Mix),
        ],
        jumps: &[NONE, &[MINUTE], &[10_000, GRACE], ALL],
    },
];

const NONE: &[u64] = &[];
const ALL: &[u64] = &[LEASE, GRACE, MINUTE, 1_800_000, SWEPT];
/// Each a little longer than what it is named for: a lock's lease, a rotation's grace, the time after which a touch is due,
/// the idle time and then the ten minutes that a sweep waits.
const LEASE: u64 = 11_000;
const GRACE: u64 = 31_000;
const MINUTE: u64 = 61_000;
const SWEPT: u64 = 4_300_000;

impl Plan {
    /// What this seed chooses; with `hostile`, calls of the store are slow more often. `only` names the one workload to be
    /// made, instead of any.
    ///
    /// # Panics
    /// If no workload has that name.
    pub fn new(rng: &mut Rng, seed: u64, hostile: bool, only: Option<&str>) -> Self {
        let slow = rng.one_in(if hostile { 3 } else { 6 });
        let [store_timeout, store_budget] = if slow { [2, 5] } else { [600, 1200] }.map(Duration::from_secs);
        let settings = Settings::new()
            .locking(*rng.pick(&[Locking::Explicit, Locking::Explicit, Locking::ByMethod, Locking::Implicit]))
            .store_timeout(store_timeout)
            .store_budget(store_budget)
            // As long as any other, so that a session which is in use is there for certain.
            .anonymous_idle_timeout(Duration::from_secs(3600))
            // Sweeps are asked for by requests, so that the schedule knows of them.
            .sweep_interval(Duration::ZERO);
        let any = rng.pick(WORKLOADS);
        let workload = match only {
            Some(name) => WORKLOADS.iter().find(|workload| workload.name == name).expect("a workload"),
            None => any,
        };
        Self {
            settings,
            browsers: *rng.pick(&[1, 1, 2, 3]),
            requests: rng.within(6..18),
            at_once: rng.within(2..6),
            patient: !rng.one_in(4),
            slow,
            hang_ups: rng.one_in(3).then_some(40),
            jumps: *rng.pick::<&[u64]>(workload.jumps),
            jumps_left: rng.within(1..4),
            restless: *rng.pick(&[1, 6]),
            haste: *rng.pick(&[1, 1, 3, 12]),
            kinds: workload.kinds,
            // Stores may be shared by many histories.
            users: ["ann", "bob"].map(|name| format!("{name}.{seed}")).to_vec(),
            tokens: 0,
        }
    }

    /// The actions of the next request of a browser that has had a session, or has not.
    pub fn request(&mut self, rng: &mut Rng, has_begun: bool) -> Vec<Action> {
        if self.patient && !has_begun {
            return self.actions(*rng.pick(&[Append, Append, SignIn]), rng);
        }
        let weights: Vec<_> = self.kinds.iter().map(|(weight, _)| *weight).collect();
        let kind = self.kinds[rng.weighted(&weights)].1;
        let mut actions = self.actions(kind, rng);
        if rng.one_in(3) {
            let at = rng.within(0..actions.len() + 1);
            actions.insert(at, Action::Pause);
        }
        if rng.one_in(12) {
            actions.push(Action::Fail);
        }
        actions
    }

    fn actions(&mut self, kind: Kind, rng: &mut Rng) -> Vec<Action> {
        use Action as A;
        match kind {
            Look => vec![A::Look],
            Append if rng.one_in(4) => vec![self.append(), self.append()],
            Append => vec![self.append()],
            Put if rng.one_in(3) => vec![self.put(), A::Pause, A::Save],
            Put => vec![self.put()],
            Pair => vec![self.pair()],
            Take => vec![A::Take],
            Transfer => vec![A::Transfer(rng.within(0..3), rng.within(0..3), rng.within(1..9) as i64)],
            Locked => {
                let mut actions = vec![A::Lock];
                actions.push(if rng.one_in(3) { self.append() } else { self.put() });
                actions.push(A::Pause);
                match rng.within(0..4) {
                    0 => actions.push(A::Unlock),
                    1 => actions.push(self.put()),
                    _ => {}
                }
                actions
            }
            Hold => vec![A::Lock, A::Pause, A::Look],
            SignIn => {
                let sign_in = A::SignIn(rng.pick(&self.users).clone());
                match rng.within(0..6) {
                    0 => vec![self.pair(), sign_in],
                    1 => vec![sign_in, self.append()],
                    2 => vec![sign_in, self.pair()],
                    3 => vec![sign_in, A::Remember],
                    _ => vec![sign_in],
                }
            }
            SignOut if rng.one_in(3) => vec![A::SignOut, self.append()],
            SignOut => vec![A::SignOut],
            Rotate if rng.one_in(2) => vec![A::Rotate, self.append()],
            Rotate => vec![A::Rotate],
            Elevate if rng.one_in(3) => vec![A::Elevate, self.append()],
            Elevate => vec![A::Elevate],
            EndAll => vec![A::EndAll(rng.pick(&self.users).clone())],
            Purge => vec![A::Purge],
            Slow if rng.one_in(2) => vec![A::Look, A::Pause, self.append()],
            Slow => vec![A::Look, A::Pause, self.put()],
            Fail => vec![self.append(), self.put(), self.pair(), A::Fail],
            Mix => self.mix(rng),
        }
    }

    /// A few of anything. What follows a sign-in reads nothing that was there before it: it may end up in a fresh session,
    /// to which nothing of the old one's may go.
    fn mix(&mut self, rng: &mut Rng) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut signed_in = false;
        for _ in 0..rng.within(1..5) {
            let kind = match signed_in {
                true => *rng.pick(&[Append, Pair, Look, Rotate, Elevate]),
                false => *rng.pick(&[
                    Append, Put, Pair, Take, Transfer, Look, Rotate, Elevate, SignIn, SignOut, Locked,
                ]),
            };
            signed_in |= matches!(kind, SignIn);
            actions.extend(self.actions(kind, rng));
        }
        actions
    }

    fn append(&mut self) -> Action {
        Action::Append(self.token())
    }

    fn put(&mut self) -> Action {
        Action::Put(self.token())
    }

    fn pair(&mut self) -> Action {
        Action::Pair(self.token())
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        self.tokens
    }
}
