use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_store::{Key, Record, encode};
use cloakroom_test_checker::Lot;

/// A store that is sound but for one fault.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) fault: Fault,
    pub(super) sound: ReferenceStore,
    pub(super) lot: Arc<Lot>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What was loaded last under each key.
    pub(super) loaded: HashMap<Key, Record>,
    /// The last record that was loaded, whatever its key.
    pub(super) last: Option<(Key, Record)>,
    /// How many calls there have been.
    pub(super) calls: usize,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not at all.
    None,
    /// `replace` takes any revision.
    BlindUpsert,
    /// `replace` creates what is not there.
    UpsertOnMissing,
    /// Keys are cut short, and `create` overwrites.
    CreateOverwrites,
    /// `touch` brings back what it remembers, if that is gone or over.
    TouchRevives,
    /// `touch` reads the record, and writes all of it back a while later.
    TouchWritesBack,
    /// Every seventh `replace` is forgotten.
    AcknowledgedNotWritten,
    /// Every fifth `load` answers the question before.
    ReplyOfAnotherKey,
    /// `purge` looks for what expired, and deletes that a while later.
    SweepsByAStaleRead,
    /// `purge` takes everything.
    SweepsTheLiving,
    /// `replace` is carried out a second time, a while later.
    SentTwice,
    /// Every third `load` answers what it answered the last time.
    StaleCache,
    /// The sessions of a user are not found.
    EndAllForgets,
    /// `acquire` succeeds for everybody.
    LockedTwice,
    /// `release` asks nobody whose lease it is.
    AnybodyReleases,
    /// `replace_and_release` releases first.
    FreedBeforeTheCommit,
}

impl Broken {
    pub(super) fn new(fault: Fault, lot: &Arc<Lot>) -> Self {
        let lot = Arc::clone(lot);
        Self { fault, sound: ReferenceStore::new(), lot, memory: Arc::default() }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }

    /// Whether this is one of so many calls.
    pub(super) fn every(&self, times: usize) -> bool {
        let mut memory = self.memory();
        memory.calls += 1;
        memory.calls.is_multiple_of(times)
    }

    /// Stores a record whatever is there.
    pub(super) fn force(&self, key: &Key, record: &Record) {
        self.sound.plant(*key, encode(key, record));
    }

    /// The key under which this store keeps what is asked for.
    pub(super) fn place(&self, key: &Key) -> Key {
        match self.fault {
            Fault::CreateOverwrites => Key::new([key.as_bytes()[0] & 7; Key::LEN]),
            _ => *key,
        }
    }
}
