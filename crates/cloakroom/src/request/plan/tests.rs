//! Requests that overlap in any order, over a store that loses answers and writes: step by step, without HTTP and without a
//! runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom_store::{Error as StoreError, Result as StoreResult, Revision};
use proptest::prelude::*;

use super::*;
use crate::calls::Budget;
use crate::client::Client;
use crate::config::Settings;
use crate::cookie::Presented;
use crate::lifecycle::Snapshot;
use crate::queues::Queues;
use crate::random::Random;
use crate::request::{Access, Cookie, Method};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Read,
    /// Appends the request's number to the list, by `update`.
    Append,
    /// Inserts a key of the request's own.
    Put,
    SignIn(&'static str),
    Rotate,
    Elevate,
    Clear,
    Destroy,
}

/// What becomes of a store call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It is carried out, and its answer gets lost.
    AnswerLost,
    /// It gets lost, and its caller cannot tell.
    Lost,
    /// It is carried out later, when its caller has been told that there is no answer.
    Late,
    Refused,
}

#[derive(Clone, Debug)]
enum Event {
    /// A request begins, with one of the cookies that the browser was given.
    Begin {
        act: Act,
        cookie: usize,
    },
    /// A request that runs goes one step further.
    Advance {
        request: usize,
        fate: Fate,
    },
    /// Calls that were late arrive.
    Arrive,
    Wait(Duration),
}

/// A request that runs.
struct Running {
    number: usize,
    act: Act,
    request: Request,
    save: Save,
    step: Option<Step>,
    steps: usize,
}

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Saved,
    /// Certainly without an effect, or with one that is not known.
    Failed(ErrorKind),
}

struct World {
    rules: Rules,
    queues: Arc<Queues>,
    now: Timestamp,
    records: BTreeMap<Key, Record>,
    late: Vec<(usize, Act, Key, Record, Option<Revision>)>,
    /// The cookies that the browser was given, oldest first.
    cookies: Vec<Token>,
    running: Vec<Running>,
    ended: BTreeMap<usize, (Act, Ended, Option<Key>)>,
    begun: usize,
    /// All revisions that were ever stored.
    revisions: BTreeSet<u64>,
    /// The verifiers of all secrets that were ever stored.
    verifiers: BTreeSet<[u8; 16]>,
    /// Sessions whose end was stored.
    dead: BTreeSet<Key>,
    /// Numbers in lists that a clear or a change of user has dropped since.
    dropped: BTreeSet<usize>,
}

impl World {
    fn new() -> Self {
        Self {
            rules: Rules::new(Settings::new(), Random::os()).unwrap(),
            queues: Arc::new(Queues::new(64)),
            now: START,
            records: BTreeMap::new(),
            late: Vec::new(),
            cookies: Vec::new(),
            running: Vec::new(),
            ended: BTreeMap::new(),
            begun: 0,
            revisions: BTreeSet::new(),
            verifiers: BTreeSet::new(),
            dead: BTreeSet::new(),
            dropped: BTreeSet::new(),
        }
    }

    fn run(&mut self, event: &Event) {
        match event {
            Event::Begin { act, cookie } => self.begin(*act, *cookie),
            Event::Advance { request, fate } if !self.running.is_empty() => {
                self.advance(request % self.running.len(), *fate);
            }
            Event::Advance { .. } => {}
            Event::Arrive => {
                for (number, act, key, record, expected) in std::mem::take(&mut self.late) {
                    _ = self.store(number, act, key, record, expected);
                }
            }
            Event::Wait(time) => self.now = self.now.saturating_add(*time),
        }
    }

    /// Runs all requests to their ends, over a store without faults.
    fn finish(&mut self) {
        self.run(&Event::Arrive);
        while !self.running.is_empty() {
            // In turn, for one may wait for another.
            for index in (0..self.running.len()).rev() {
                self.advance(index, Fate::Answered);
            }
        }
    }

    fn begin(&mut self, act: Act, cookie: usize) {
        self.begun += 1;
        let number = self.begun;
        let mut presented = Presented::default();
        let token = self.cookies.get(self.cookies.len().wrapping_sub(cookie % 4 + 1)).cloned();
        if let Some(token) = &token {
            let name = &self.rules.settings.cookie_name;
            let field = format!("{name}={}", *self.rules.keyring.print(token));
            presented.read(field.as_bytes(), name, &self.rules.keyring);
        }
        let mut request =
            Request::new(presented, Method::Safe, Client::default(), self.now, false, Budget(SECOND));
        request.phase = Phase::Entered;
        request.access = Access::Full;
        if let Some(token) = token {
            let key = self.rules.keyring.key(&token);
            let loaded = Loaded::from_answer(&key, Ok(self.records.get(&key).cloned())).unwrap();
            let under = request.judge(&self.rules, &token, &key, loaded, self.now);
            request.attach(&self.rules, token, key, under);
        }
        let (json, own): (Arc<[u8]>, _) = (b"1".as_slice().into(), format!("own{number}"));
        match act {
            Act::Read | Act::Append => {}
            Act::Put => request.insert(&self.rules, &own, json).unwrap(),
            Act::SignIn(user) => request.sign_in(Subject::new(user).unwrap()),
            Act::Rotate => request.rotate(),
            Act::Elevate => {
                if let Err(error) = request.elevate() {
                    self.ended.insert(number, (act, Ended::Failed(error.kind()), None));
                    return;
                }
            }
            Act::Clear => request.clear(),
            Act::Destroy => request.destroy(&self.rules).unwrap(),
        }
        let save = match act {
            Act::Append => Save::new(Goal::Attempt, self.appended(&mut request, number)),
            _ => request.closing(200),
        };
        self.running.push(Running { number, act, request, save, step: None, steps: 0 });
    }

    /// What `update` records.
    fn appended(&self, request: &mut Request, number: usize) -> Changes {
        request.note_read_again("list");
        let mut list: Vec<usize> = request
            .value(&self.rules, "list")
            .map_or_else(Vec::new, |json| serde_json::from_slice(json).unwrap());
        list.push(number);
        let mut changes = request.changes.clone();
        changes.record("list", Some(serde_json::to_vec(&list).unwrap().into()));
        changes
    }

    fn advance(&mut self, index: usize, fate: Fate) {
        let mut running = self.running.swap_remove(index);
        running.steps += 1;
        assert!(running.steps < 1000, "it does not end: {:?}", running.act);
        let Running { number, act, request, save, step, .. } = &mut running;
        let result = match step.take() {
            None => {
                let at = at(&self.rules, self.now);
                request.next(save, at).map(|next| match next {
                    Step::Done(verdict) => Some(verdict),
                    next => {
                        *step = Some(next);
                        None
                    }
                })
            }
            Some(current) => match self.carry_out(*number, *act, &current, fate) {
                Some(outcome) => {
                    let at = at(&self.rules, self.now);
                    request.settle(save, current, outcome, at).map(|()| None)
                }
                // It waits for another request.
                None => {
                    *step = Some(current);
                    Ok(None)
                }
            },
        };
        match result {
            Ok(None) => self.running.push(running),
            Ok(Some(Verdict::Again)) => {
                let changes = self.appended(&mut running.request, running.number);
                running.save = running.save.again(changes);
                self.running.push(running);
            }
            Ok(Some(Verdict::Saved)) => self.end(running, Ended::Saved),
            Err(error) => self.end(running, Ended::Failed(error.kind())),
        }
    }

    fn end(&mut self, running: Running, ended: Ended) {
        let key = running.request.stored().map(|(key, _)| key);
        if let (Cookie::Set { .. }, Binding::Bound(held)) = (running.request.cookie, &running.request.binding)
        {
            // H1: what the browser is told to keep is stored.
            let verifier = self.rules.keyring.verifier(&held.token);
            assert!(self.verifiers.contains(verifier.as_bytes()), "the secret of a cookie is not stored");
            self.cookies.push(held.token.clone());
        }
        assert!(ended != Ended::Saved || running.request.is_clean(), "something is left to save");
        self.ended.insert(running.number, (running.act, ended, key));
    }

    fn carry_out(&mut self, number: usize, act: Act, step: &Step, fate: Fate) -> Option<Outcome> {
        let refused = fate == Fate::Refused;
        let away = || StoreError::unavailable("told to refuse");
        Some(match step {
            Step::Send(write, _) => {
                let (key, record, expected) = (write.key, write.record.clone(), write.expected);
                Outcome::Sent(match fate {
                    Fate::Answered => self.store(number, act, key, record, expected),
                    Fate::Refused => Err(away()),
                    _ => {
                        match fate {
                            Fate::AnswerLost => drop(self.store(number, act, key, record, expected)),
                            Fate::Late => self.late.push((number, act, key, record, expected)),
                            _ => {}
                        }
                        Err(StoreError::maybe_applied("told to lose the answer"))
                    }
                })
            }
            Step::LookUp(write, _) => {
                Outcome::Loaded(if refused { Err(away()) } else { self.load(write.key) })
            }
            Step::Reload(key) | Step::ReloadEnding(key) => {
                Outcome::Loaded(if refused { Err(away()) } else { self.load(*key) })
            }
            Step::Enroll { .. } => Outcome::Enrolled(if refused { Err(away()) } else { Ok(1) }),
            Step::Turn(key) => {
                if self
                    .running
                    .iter()
                    .any(|other| other.save.turn.as_ref().is_some_and(|turn| turn.key() == *key))
                {
                    return None;
                }
                let wait = pin!(Arc::clone(&self.queues).wait(*key, SECOND));
                match wait.poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(turn) => Outcome::Turn(turn),
                    Poll::Pending => unreachable!("the turn is free"),
                }
            }
            step => unreachable!("not in this world: {step:?}"),
        })
    }

    fn load(&self, key: Key) -> StoreResult<Option<Record>> {
        Ok(self.records.get(&key).cloned())
    }

    fn snapshot(&self, key: Key) -> Option<Snapshot> {
        self.records.get(&key).map(|record| Snapshot::read(record).unwrap())
    }

    /// The store: conditional writes, each held against what may never happen.
    fn store(
        &mut self,
        number: usize,
        act: Act,
        key: Key,
        record: Record,
        expected: Option<Revision>,
    ) -> StoreResult<()> {
        match (self.records.get(&key), expected) {
            (Some(_), None) => return Err(StoreError::exists()),
            (None, Some(_)) => return Err(StoreError::missing()),
            (Some(stored), Some(expected)) if stored.revision != expected => {
                return Err(StoreError::conflict());
            }
            _ => {}
        }
        assert!(self.revisions.insert(record.revision.get()), "a revision names two contents");
        let (before, after) = (self.snapshot(key), Snapshot::read(&record).unwrap());
        self.verifiers.insert(*after.header.verifier.as_bytes());
        if let Some(before) = &before {
            assert!(!self.dead.contains(&key), "D1: an ended session was changed by {act:?}");
            self.check_change(number, act, before, &after);
        }
        if after.header.ended {
            assert!(
                after.subject.is_none() && after.entries.size().count == 0,
                "a tombstone holds something"
            );
            self.dead.insert(key);
        }
        self.records.insert(key, record);
        Ok(())
    }

    fn check_change(&mut self, number: usize, act: Act, before: &Snapshot, after: &Snapshot) {
        assert_ne!(act, Act::Read, "U6: a read-only request wrote data");
        let (old, new) = (list(before), list(after));
        assert_eq!(new.len(), new.iter().collect::<BTreeSet<_>>().len(), "U4: counted twice: {new:?}");
        let other_user =
            before.subject.is_some() && after.subject.is_some() && before.subject != after.subject;
        if act == Act::Clear || other_user || after.header.ended {
            self.dropped.extend(&old);
        } else {
            assert!(old.iter().all(|number| new.contains(number)), "U1: lost by {act:?}: {old:?} {new:?}");
        }
        if other_user {
            let own = format!("own{number}");
            assert!(after.entries.iter().all(|(key, _)| key == own), "I5: data went to another user");
        }
        if before.header.verifier != after.header.verifier {
            let (previous, until) = after.header.previous.expect("the secret before is known");
            let open = before.header.previous.filter(|(_, until)| self.now < *until);
            match act {
                Act::Rotate => {
                    let hour = Duration::from_secs(3600);
                    assert_eq!(until, after.header.secret_since.saturating_add(hour), "R2: no grace");
                    let kept = open.map_or(before.header.verifier, |(verifier, _)| verifier);
                    assert_eq!(previous, kept, "R1: the secret that the browser has does not work");
                    let soon = self.now < before.header.secret_since.saturating_add(self.rules.policy.grace);
                    assert!(open.is_none() || !soon, "R4: a second successor within the grace");
                }
                Act::SignIn(_) | Act::Elevate => {
                    assert!(until < START, "R3: the old secret works after {act:?}");
                    assert_eq!(previous, before.header.verifier);
                }
                other => panic!("{other:?} took a new secret"),
            }
        }
    }

    /// What holds when all requests have ended and nothing is late any more.
    fn check(&self) {
        let mut lists: BTreeMap<usize, usize> = BTreeMap::new();
        // A record that was created late, when its request had begun another one, is no one's.
        let keys: BTreeSet<Key> = self.cookies.iter().map(|token| self.rules.keyring.key(token)).collect();
        for key in keys {
            for number in list(&self.snapshot(key).unwrap()) {
                *lists.entry(number).or_default() += 1;
            }
        }
        for (number, (act, ended, key)) in &self.ended {
            let times = lists.get(number).copied().unwrap_or_default();
            assert!(times <= 1, "U4: {number} is in {times} lists");
            let gone = self.dropped.contains(number) || key.is_none_or(|key| self.dead.contains(&key));
            match ended {
                Ended::Saved if *act == Act::Append && !gone => assert_eq!(times, 1, "U1: {number} was lost"),
                Ended::Failed(ErrorKind::Ended | ErrorKind::Conflict) => {
                    assert_eq!(times, 0, "{number} failed and is there");
                }
                _ => {}
            }
        }
    }
}

fn at(rules: &Rules, now: Timestamp) -> Moment<'_> {
    Moment { rules, now, watch: Stopwatch::start(), lists_subjects: true, other_sign_ins: 0 }
}

fn list(snapshot: &Snapshot) -> Vec<usize> {
    snapshot.entries.get("list").map_or_else(Vec::new, |json| serde_json::from_slice(json).unwrap())
}

fn event() -> impl Strategy<Value = Event> {
    let act = prop_oneof![
        1 => Just(Act::Read),
        5 => Just(Act::Append),
        3 => Just(Act::Put),
        2 => prop::sample::select(vec!["ann", "bob"]).prop_map(Act::SignIn),
        2 => Just(Act::Rotate),
        1 => Just(Act::Elevate),
        1 => Just(Act::Clear),
        1 => Just(Act::Destroy),
    ];
    let fate = prop_oneof![
        12 => Just(Fate::Answered),
        2 => Just(Fate::AnswerLost),
        2 => Just(Fate::Lost),
        1 => Just(Fate::Late),
        1 => Just(Fate::Refused),
    ];
    prop_oneof![
        3 => (act, 0..4_usize).prop_map(|(act, cookie)| Event::Begin { act, cookie }),
        12 => (0..8_usize, fate).prop_map(|(request, fate)| Event::Advance { request, fate }),
        1 => Just(Event::Arrive),
        1 => prop::sample::select(vec![SECOND, 29 * SECOND, 30 * SECOND]).prop_map(Event::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn overlapping_requests_over_a_store_that_loses_calls_lose_double_and_revive_nothing(
        events in prop::collection::vec(event(), 1..120)
    ) {
        let mut world = World::new();
        world.run(&Event::Begin { act: Act::Append, cookie: 0 });
        world.finish();
        for event in &events {
            world.run(event);
        }
        world.finish();
        world.run(&Event::Arrive);
        world.check();
    }
}

/// A world with one session, whose list is `[1]`.
fn world() -> World {
    let mut world = World::new();
    world.run(&Event::Begin { act: Act::Append, cookie: 0 });
    world.finish();
    assert_eq!(world.records.len(), 1);
    world
}

fn begun(world: &mut World, act: Act) -> usize {
    world.run(&Event::Begin { act, cookie: 0 });
    world.running.len() - 1
}

fn the_list(world: &World) -> Vec<usize> {
    let key = *world.records.keys().next().unwrap();
    list(&world.snapshot(key).unwrap())
}

#[test]
fn after_a_conflict_an_attempt_waits_its_turn_and_is_made_again() {
    let mut world = world();
    let (slow, fast) = (begun(&mut world, Act::Append), begun(&mut world, Act::Append));
    world.advance(slow, Fate::Answered);
    // `swap_remove` and `push` keep the two in their places when the last one is advanced.
    let quick = if world.running[fast].number == 3 { fast } else { slow };
    for _ in 0..3 {
        let index = world.running.iter().position(|running| running.number == 3);
        let Some(index) = index else { break };
        world.advance(index, Fate::Answered);
    }
    assert!(quick <= fast && world.ended.contains_key(&3));
    world.advance(0, Fate::Answered);
    assert!(matches!(world.running[0].save.next, Some(Step::Turn(_))));
    world.finish();
    assert_eq!(the_list(&world), [1, 3, 2]);
}

#[test]
fn a_write_whose_answer_got_lost_is_looked_up_and_counts_once() {
    for fate in [Fate::AnswerLost, Fate::Lost] {
        let mut world = world();
        let append = begun(&mut world, Act::Append);
        world.advance(append, Fate::Answered);
        world.advance(append, fate);
        assert!(matches!(world.running[0].save.next, Some(Step::LookUp(..))), "{fate:?}");
        world.finish();
        assert_eq!(the_list(&world), [1, 2], "{fate:?}");
    }
}

#[test]
fn a_late_request_of_a_session_that_was_ended_saves_nothing_and_begins_none() {
    let mut world = world();
    begun(&mut world, Act::Append);
    begun(&mut world, Act::Put);
    begun(&mut world, Act::Destroy);
    world.running.reverse();
    while world.running.iter().any(|running| running.act == Act::Destroy) {
        let destroy = world.running.iter().position(|running| running.act == Act::Destroy).unwrap();
        world.advance(destroy, Fate::Answered);
    }
    world.finish();
    assert_eq!(world.ended[&2].1, Ended::Failed(ErrorKind::Ended), "an update promises that it is stored");
    assert_eq!(world.ended[&3].1, Ended::Saved, "the response of a plain insert goes out");
    assert_eq!((world.records.len(), world.cookies.len()), (1, 1));
}

#[test]
fn a_double_sign_in_ends_signed_in_twice_and_under_two_secrets() {
    let mut world = world();
    begun(&mut world, Act::SignIn("ann"));
    begun(&mut world, Act::SignIn("ann"));
    world.finish();
    assert_eq!((world.records.len(), world.cookies.len()), (2, 3));
    for key in world.records.keys() {
        let subject = world.snapshot(*key).unwrap().subject;
        assert_eq!(subject.as_ref().map(Subject::as_str), Some("ann"));
    }
}

#[test]
fn of_two_rotations_at_the_same_time_one_makes_the_new_secret() {
    let mut world = world();
    begun(&mut world, Act::Rotate);
    begun(&mut world, Act::Rotate);
    world.finish();
    assert_eq!(world.cookies.len(), 2);
    assert!(world.ended.values().all(|(_, ended, _)| *ended == Ended::Saved));
}
