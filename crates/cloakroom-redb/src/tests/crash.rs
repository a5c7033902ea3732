//! The power goes at every point: each image that a disk can be left with is built and opened again.
//!
//! A disk keeps what was synced. Of what was written since, it keeps any part, in any order: the tests take each
//! beginning, each write alone, all but each, and arbitrary subsets torn at sectors. The changes are made in one
//! order, so the file found afterwards must be, as a whole, the state after one of them: not before the last
//! that was acknowledged and synced, not after the last that was asked for.

use std::collections::BTreeMap;

use cloakroom_store::{Key, Record, Result, Revision, Scan, Store, Subjects};
use redb::ReadableDatabase;

use super::disk::{Disk, Event};
use super::{at, begin, key, of, open, record, run, subject, try_open};
use crate::RedbStore;
use crate::tables::{EXPIRY, RECORDS, SUBJECTS};

type State = BTreeMap<Key, Record>;

#[test]
fn after_a_crash_at_any_point_every_acknowledged_change_is_there_and_none_is_half_there() {
    let disk = Disk::default();
    drop(open(&disk));
    let mut durable = disk.bytes();
    disk.state().log.clear();

    let steps = workload(&disk);
    let log = std::mem::take(&mut disk.state().log);

    let mut random = Random(7);
    let mut images = 0;
    let mut from = 0;
    while from < log.len() {
        let unsynced = log[from..].iter().take_while(|event| !matches!(event, Event::Sync)).count();
        let written = &log[from..from + unsynced];
        for (issued, kept) in survivors(written, &mut random) {
            let mut image = durable.clone();
            kept.iter().for_each(|event| event.apply(&mut image));
            check(image, from + issued, &steps);
            images += 1;
        }
        written.iter().for_each(|event| event.apply(&mut durable));
        from += unsynced + 1;
    }
    check(durable, log.len(), &steps);
    assert!(images > 1_000, "only {images} images");
}

/// One change: what it asked for and when, in numbers of disk operations, and the state after it.
struct Step {
    asked_at: usize,
    /// From here on a crash must not take it back; never for a touch.
    safe_from: usize,
    after: State,
}

/// The parts of these writes that may be left, each with how many of them had been issued.
fn survivors(written: &[Event], random: &mut Random) -> Vec<(usize, Vec<Event>)> {
    let all = written.len();
    let mut kept: Vec<_> = (0..=all).map(|n| (n, written[..n].to_vec())).collect();
    for one in 0..all {
        kept.push((one + 1, vec![written[one].clone()]));
        let others = written.iter().enumerate().filter(|(i, _)| *i != one).map(|(_, event)| event.clone());
        kept.push((all, others.collect()));
    }
    for _ in 0..12 {
        kept.push((all, written.iter().flat_map(|event| random.torn(event)).collect()));
    }
    kept
}

fn check(image: Vec<u8>, issued: usize, steps: &[Step]) {
    let disk = Disk::of(image);
    let store =
        try_open(&disk, 1 << 20).unwrap_or_else(|error| panic!("after {issued} operations: {error:?}"));
    let found = state_of(&store);
    let first = steps.iter().rposition(|step| step.safe_from <= issued);
    let last = steps.iter().rposition(|step| step.asked_at <= issued);
    let allowed = match (first, last) {
        (None, None) => found.is_empty(),
        (None, Some(last)) => found.is_empty() || steps[..=last].iter().any(|step| step.after == found),
        (Some(first), Some(last)) => steps[first..=last].iter().any(|step| step.after == found),
        (Some(_), None) => unreachable!("safe before it was asked for"),
    };
    assert!(allowed, "after {issued} operations, steps {first:?} to {last:?}: {found:?}");
    check_indexes(&store, &found);
    run(store.create(&key(200), &record(1, 1), at(0))).unwrap();
}

fn state_of(store: &RedbStore) -> State {
    run(store.page(None, 1_000)).unwrap().items.into_iter().collect()
}

/// Both indexes say what follows from the records, and no damaged record is hidden among them.
fn check_indexes(store: &RedbStore, state: &State) {
    let file = store.file.read().unwrap();
    let file = file.as_ref().unwrap().begin_read().unwrap();
    let keys = file.open_table(RECORDS).unwrap();
    let keys: Vec<_> = keys.range::<&[u8; 32]>(..).unwrap().map(|row| *row.unwrap().0.value()).collect();
    assert_eq!(keys, state.keys().map(|key| *key.as_bytes()).collect::<Vec<_>>());
    let rows = file.open_table(EXPIRY).unwrap();
    let rows = rows.range::<(u64, &[u8; 32])>(..).unwrap().map(|row| {
        let (millis, key) = row.as_ref().unwrap().0.value();
        (millis, *key)
    });
    let mut expected: Vec<_> = state.iter().map(|(k, r)| (r.expires_at.as_millis(), *k.as_bytes())).collect();
    expected.sort_unstable();
    assert_eq!(rows.collect::<Vec<_>>(), expected);
    let rows = file.open_table(SUBJECTS).unwrap();
    let rows = rows.range::<(&str, &[u8; 32])>(..).unwrap().map(|row| {
        let row = row.unwrap().0;
        let (subject, key) = row.value();
        (subject.to_owned(), *key)
    });
    let subjects = state.iter().filter_map(|(k, r)| Some((r.subject.as_ref()?, k)));
    let mut expected: Vec<_> = subjects.map(|(s, k)| (s.as_str().to_owned(), *k.as_bytes())).collect();
    expected.sort_unstable();
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

#[derive(Clone)]
enum Ask {
    Create(Key, Record),
    Replace(Key, Record, u64),
    Touch(Key, u64),
    Delete(Key),
    Purge(u64),
    EndAll(&'static str),
}

/// Alone, and then in groups that share commits; every kind of change, and records of several pages.
fn script() -> Vec<Vec<Ask>> {
    let large = |revision: u64, size: usize| {
        Record::new(Revision::new(revision), at(5_000 + revision), vec![revision as u8; size])
    };
    let mut groups = vec![
        vec![Ask::Create(key(1), record(1, 1_000))],
        vec![Ask::Replace(key(1), of("ann", large(2, 9_000)), 1)],
        vec![Ask::Create(key(2), of("ann", record(3, 2_000)))],
        vec![Ask::Touch(key(2), 2_500)],
        vec![Ask::Touch(key(2), 3_500)],
        vec![Ask::Replace(key(2), of("bob", record(4, 4_000)), 3)],
        vec![Ask::Touch(key(1), 9_000)],
        vec![Ask::Delete(key(1))],
        vec![Ask::Touch(key(2), 4_500)],
        vec![Ask::EndAll("bob")],
        (10..18).map(|n| Ask::Create(key(n), of("eve", large(n.into(), 700)))).collect(),
        (10..18)
            .flat_map(|n| {
                let next = u64::from(n) + 100;
                let name = if n % 2 == 0 { "eve" } else { "dan" };
                [
                    Ask::Replace(key(n), of(name, record(next, 5_000 + next)), n.into()),
                    Ask::Touch(key(n), 8_000),
                ]
            })
            .collect(),
        vec![Ask::Purge(8_001)],
    ];
    for round in 0..8u64 {
        groups.push(vec![Ask::Create(key(20), large(30 + round, 60_000))]);
        groups.push(vec![
            Ask::Replace(key(20), of("ann", record(50 + round, 900)), 30 + round),
            Ask::Create(key(21), of("ann", large(70 + round, 3_000))),
        ]);
        groups.push(vec![Ask::Purge(1_000), Ask::EndAll("ann")]);
    }
    groups
}

fn workload(disk: &Disk) -> Vec<Step> {
    let store = open(disk);
    let mut state = State::new();
    let mut steps = Vec::new();
    for group in script() {
        let asked_at = disk.state().log.len();
        let calls: Vec<_> = group.iter().map(|ask| begin(call(&store, ask))).collect();
        for (ask, call) in group.iter().zip(calls) {
            assert_eq!(call.finish().unwrap(), model(&mut state, ask));
            let safe_from = match ask {
                Ask::Touch(..) => usize::MAX,
                _ => disk.state().log.len(),
            };
            steps.push(Step { asked_at, safe_from, after: state.clone() });
        }
    }
    drop(store);
    steps
}

async fn call(store: &RedbStore, ask: &Ask) -> Result<usize> {
    match ask {
        Ask::Create(key, record) => store.create(key, record, at(0)).await.map(|()| 1),
        Ask::Replace(key, record, expected) => {
            store.replace(key, record, Revision::new(*expected), at(0)).await.map(|()| 1)
        }
        Ask::Touch(key, until) => store.touch(key, at(0), at(*until)).await.map(usize::from),
        Ask::Delete(key) => store.delete(key).await.map(usize::from),
        Ask::Purge(cutoff) => store.purge(at(*cutoff), 100).await,
        Ask::EndAll(name) => store.end_all(&subject(name), None).await,
    }
}

/// The same change made to a map; what the store should answer.
fn model(state: &mut State, ask: &Ask) -> usize {
    let before = state.len();
    match ask {
        Ask::Create(key, record) | Ask::Replace(key, record, _) => {
            state.insert(*key, record.clone());
            return 1;
        }
        Ask::Touch(key, until) => {
            let record = state.get_mut(key).unwrap();
            record.expires_at = record.expires_at.max(at(*until));
            return 1;
        }
        Ask::Delete(key) => drop(state.remove(key)),
        Ask::Purge(cutoff) => state.retain(|_, record| record.expires_at >= at(*cutoff)),
        Ask::EndAll(name) => state.retain(|_, record| record.subject != Some(subject(name))),
    }
    before - state.len()
}

/// SplitMix64: the same images in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// All of it, nothing of it, or some of its sectors.
    fn torn(&mut self, event: &Event) -> Vec<Event> {
        match (self.next() % 3, event) {
            (0, _) => vec![],
            (1, Event::Write { offset, data }) => {
                let sectors = data.chunks(SECTOR).enumerate().filter(|_| self.next().is_multiple_of(2));
                sectors
                    .map(|(i, part)| Event::Write { offset: offset + i * SECTOR, data: part.to_vec() })
                    .collect()
            }
            _ => vec![event.clone()],
        }
    }
}

const SECTOR: usize = 512;
