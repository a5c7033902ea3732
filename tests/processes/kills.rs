//! A writer is killed, again and again.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use cloakroom_file::FileStore;
use cloakroom_store::{Acquired, Leases, Page, Scan, Store, SubjectEntry, Subjects, Timestamp};
use cloakroom_test_checker::Rng;
use cloakroom_tests::{Process, Slot};

use crate::servers::{Shared, times};

/// A writer and its slots, with the steps that it has acknowledged.
struct Writer {
    process: Process,
    slots: BTreeMap<u64, u64>,
}

impl Writer {
    async fn start(shared: &Shared, slots: BTreeMap<u64, u64>) -> Self {
        let all: Vec<_> = slots.iter().map(|(slot, steps)| (*slot, *steps)).collect();
        let mut process = shared.writer(&all);
        process.hear("ready").await;
        Self { process, slots }
    }

    /// Takes note of what it says next; false at the end.
    async fn hear(&mut self) -> bool {
        let Some(line) = self.process.line().await else { return false };
        let (slot, steps) = line.split_once(' ').unwrap();
        let slot = slot.parse().unwrap_or_else(|_| panic!("{line}"));
        let before = self.slots.insert(slot, steps.parse().unwrap()).unwrap();
        assert_eq!(self.slots[&slot], before + 1, "one after the other");
        true
    }

    /// Kills it at any point of what comes after so many steps; what it has acknowledged until then is known afterwards.
    async fn kill_after(&mut self, steps: usize, then: Duration) {
        for _ in 0..steps {
            assert!(self.hear().await, "it ended by itself");
        }
        tokio::time::sleep(then).await;
        self.process.kill();
        while self.hear().await {}
    }
}

/// U1, U7, D1, D6, F10, F19. Two writers share the folder; one of them, in turn, is killed and another goes on where it was.
/// Nothing of it bothers the one that lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_a_writer_is_killed_each_session_is_what_it_acknowledged_or_one_step_further() {
    let kills = times("CLOAKROOM_KILLS", 40);
    let shared = Shared::new("full");
    let store = shared.open();
    let mut rng = Rng::new(7);
    let slots = |first: u64| (first..first + 4).map(|slot| (slot, 0)).collect();
    let mut writers = [Writer::start(&shared, slots(0)).await, Writer::start(&shared, slots(4)).await];
    let mut taken_over = 0;
    for kill in 0..kills {
        let writer = &mut writers[kill % 2];
        let then = Duration::from_micros(rng.within(0..5_000) as u64);
        writer.kill_after(rng.within(1..21), then).await;
        for (slot, steps) in &mut writer.slots {
            taken_over += u64::from(check(&store, Slot(*slot), steps).await);
        }
        // Nothing in here has expired: it clears away what the dead have left.
        assert_eq!(store.purge(Timestamp::from_millis(0), 1).await.unwrap(), 0);
        assert_eq!(folder(&shared, "instances").len(), 2, "this process, and the writer that lives");
        assert_drafts_are_of_the_living(&shared);
        *writer = Writer::start(&shared, writer.slots.clone()).await;
    }
    let mut expected = 0;
    for mut writer in writers {
        writer.kill_after(1, Duration::ZERO).await;
        for (slot, steps) in &mut writer.slots {
            check(&store, Slot(*slot), steps).await;
        }
        let live = writer.slots.iter().filter(|(slot, steps)| Slot(**slot).record(**steps).is_some());
        expected += live.count();
    }
    assert_eq!(store.count(Timestamp::default()).await.unwrap(), expected as u64, "no session but these");
    println!("{kills} kills; {taken_over} of them left a lease behind");
}

/// What is in the folder for this slot, and that it can be locked at once; whether the lease was left by the dead. `steps`
/// become those that were taken.
async fn check(store: &FileStore, slot: Slot, steps: &mut u64) -> bool {
    let mut found = BTreeMap::new();
    for key in [slot.key(*steps), slot.key(*steps + 1)] {
        let record = store.load(&key).await;
        found.insert(key, record.unwrap_or_else(|error| panic!("{slot:?} is unreadable: {error}")));
    }
    let taken = slot.steps_found(*steps, |key| found[key].clone());
    *steps = taken.unwrap_or_else(|| panic!("{slot:?} is not as after {steps} steps: {found:?}"));

    let key = slot.key(*steps);
    let record = found[&key].clone();
    let listed = store.list(&slot.subject(), None, 10).await.unwrap();
    let signed_in = record.iter().filter(|record| record.subject.is_some());
    let entries = signed_in.map(|record| SubjectEntry::new(key, record.expires_at)).collect();
    assert_eq!(listed, Page::new(entries, None));

    let Some(record) = record else { return false };
    let claim = slot.claim(*steps);
    let Acquired::Held(mut held) = store.acquire(&key, &claim).await.unwrap() else {
        panic!("a lock has outlived its owner");
    };
    assert!(store.release(&key, claim.lease).await.unwrap());
    let revision = std::mem::replace(&mut held.revision, record.revision);
    assert_eq!(held, record);
    revision != record.revision
}

fn folder(shared: &Shared, name: &str) -> Vec<String> {
    let entries = fs::read_dir(shared.path().join(name)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn assert_drafts_are_of_the_living(shared: &Shared) {
    // In this order: a draft that was there has an owner that still is.
    let drafts = folder(shared, "drafts");
    let living = folder(shared, "instances");
    for draft in drafts {
        assert!(living.iter().any(|owner| draft.starts_with(owner)), "{draft} is nobody's");
    }
}
