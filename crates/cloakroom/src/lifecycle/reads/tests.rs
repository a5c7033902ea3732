use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::Strategy;
use proptest::{option, prop_oneof};

use super::*;
use crate::envelope::samples::entries;

type Map = BTreeMap<String, u8>;

/// What happens between a request and the others.
#[derive(Clone, Debug)]
enum Step {
    /// The request reads one key, from the store unless it wrote it itself.
    Read(String),
    ReadAll,
    /// The request looks at a key on behalf of an update.
    ReadAgain(String),
    /// The request inserts, or without a value removes.
    Write(String, Option<u8>),
    Clear,
    /// What was written is saved on top of what is there.
    Save,
    /// Others write this, and the request takes a fresh snapshot.
    Others(Map),
}

/// The naive model: for every key there is, what was read from the store last.
#[derive(Default)]
struct Model {
    seen: BTreeMap<&'static str, Option<u8>>,
    stored: Map,
    written: BTreeMap<&'static str, Option<u8>>,
}

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

fn step() -> impl Strategy<Value = Step> {
    let key = || "[a-d]";
    prop_oneof![
        4 => key().prop_map(Step::Read),
        2 => proptest::strategy::Just(Step::ReadAll),
        1 => key().prop_map(Step::ReadAgain),
        4 => (key(), option::of(0..3_u8)).prop_map(|(key, value)| Step::Write(key, value)),
        1 => proptest::strategy::Just(Step::Clear),
        1 => proptest::strategy::Just(Step::Save),
        4 => btree_map(key(), 0..3_u8, 0..4).prop_map(Step::Others),
    ]
}

fn key(name: &str) -> &'static str {
    KEYS.into_iter().find(|key| *key == name).unwrap()
}

impl Model {
    fn read(&mut self, key: &'static str) {
        if !self.written.contains_key(key) {
            self.seen.insert(key, self.stored.get(key).copied());
        }
    }

    fn outcome(&self) -> Map {
        let mut stored = self.stored.clone();
        for (key, value) in &self.written {
            match value {
                Some(value) => drop(stored.insert((*key).into(), *value)),
                None => drop(stored.remove(*key)),
            }
        }
        stored
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Read(name) => self.read(key(name)),
            Step::ReadAll => KEYS.into_iter().for_each(|key| self.read(key)),
            Step::ReadAgain(name) if self.seen.contains_key(&**name) => self.read(key(name)),
            Step::ReadAgain(_) => {}
            Step::Write(name, value) => drop(self.written.insert(key(name), *value)),
            Step::Clear => self.written = KEYS.map(|key| (key, None)).into(),
            Step::Save => {
                self.stored = self.outcome();
                for key in std::mem::take(&mut self.written).into_keys() {
                    self.seen.entry(key).and_modify(|seen| *seen = self.stored.get(key).copied());
                }
            }
            Step::Others(stored) => self.stored.clone_from(stored),
        }
    }

    fn stale(&self) -> bool {
        self.seen.iter().any(|(key, seen)| self.stored.get(*key).copied() != *seen)
    }

    fn clash(&self) -> bool {
        self.written.iter().any(|(key, value)| {
            let seen = self.seen.get(key);
            seen.is_some_and(|seen| seen != value && *seen != self.stored.get(*key).copied())
        })
    }
}

/// The request as the session runs it.
#[derive(Default)]
struct Request {
    reads: Reads,
    log: OpLog,
    stored: Entries,
}

impl Request {
    fn run(&mut self, step: &Step) {
        let Self { reads, log, stored } = self;
        match step {
            Step::Read(key) if !log.writes(key) => reads.note(key, stored),
            Step::ReadAgain(key) if !log.writes(key) => reads.note_again(key, stored),
            Step::Read(_) | Step::ReadAgain(_) => {}
            Step::ReadAll => reads.note_all(log, stored, true),
            Step::Write(key, value) => log.record(key, value.map(|value| [value].into())),
            Step::Clear => log.clear(),
            Step::Save => {
                *stored = entries(&log.apply(stored).map(|(key, value)| (key.into(), value[0])).collect());
                reads.committed(log, stored);
                *log = OpLog::default();
            }
            Step::Others(others) => *stored = entries(others),
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(1000))]

    #[test]
    fn a_request_is_told_of_exactly_the_changes_that_it_decided_on(steps in vec(step(), 0..12)) {
        let (mut model, mut request) = (Model::default(), Request::default());
        for (at, step) in steps.iter().enumerate() {
            model.run(step);
            request.run(step);
            let so_far = &steps[..=at];
            assert_eq!(request.reads.stale(&request.stored), model.stale(), "stale after {so_far:?}");
            assert_eq!(request.reads.clash(&request.log, &request.stored), model.clash(), "clash after {so_far:?}");
        }
    }
}

fn after(steps: &[Step]) -> Request {
    let mut request = Request::default();
    steps.iter().for_each(|step| request.run(step));
    request
}

fn others(values: &[(&str, u8)]) -> Step {
    Step::Others(values.iter().map(|(key, value)| ((*key).into(), *value)).collect())
}

fn write(key: &str, value: u8) -> Step {
    Step::Write(key.into(), Some(value))
}

#[test]
fn two_requests_that_count_on_from_the_same_number_clash_though_they_write_the_same() {
    let request = after(&[others(&[("a", 1)]), Step::Read("a".into()), write("a", 2), others(&[("a", 2)])]);
    assert!(request.reads.clash(&request.log, &request.stored));
}

#[test]
fn a_key_that_the_request_wrote_blindly_is_not_read_by_listing_all() {
    let request = after(&[write("a", 1), Step::ReadAll, others(&[("a", 2)])]);
    assert!(!request.reads.clash(&request.log, &request.stored));
    let request = after(&[Step::Clear, Step::ReadAll, write("a", 1), others(&[("a", 2), ("b", 2)])]);
    assert!(!request.reads.clash(&request.log, &request.stored));
}

#[test]
fn a_key_that_was_absent_has_been_read_too() {
    let request = after(&[Step::Read("a".into()), write("a", 1), others(&[("a", 2)])]);
    assert!(request.reads.clash(&request.log, &request.stored));
}

#[test]
fn an_update_goes_by_what_it_finds_and_not_by_what_was_read_before() {
    let read = [Step::Read("a".into()), others(&[("a", 1)]), Step::ReadAgain("a".into()), write("a", 2)];
    let request = after(&read);
    assert!(!request.reads.clash(&request.log, &request.stored));
}
