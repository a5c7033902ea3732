//! The power goes after every change that a call makes to the disk, and every folder that may be found then is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cloakroom_store::{Acquired, Key, LeaseId, Record, Result, Timestamp};
use tempfile::TempDir;

use super::super::disk::{Disk, Durability};
use super::super::folder::Folder;
use super::crash_disk::{CrashDisk, Done, Random};
use super::{Hook, another, at, claim, held, key, lock, names_in, of, open_on, record, rev, subject};

#[test]
fn a_session_survives_a_crash_as_its_old_or_its_new_version() {
    let mut story = Story::new(|_| {});
    story.acknowledged(|folder| folder.create(&key(1), &record(1, 1_000)));
    story.acknowledged(|folder| folder.replace(&key(1), &record(2, 2_000), rev(1)));
    story.unsynced(|folder| folder.touch(&key(1), at(0), at(3_000)));
    story.acknowledged(|folder| folder.replace(&key(1), &record(3, 2_500), rev(2)));
    story.unsynced(|folder| folder.touch(&key(1), at(0), at(3_500)));
    story.acknowledged(|folder| folder.delete(&key(1)));
    story.crash_everywhere();
}

#[test]
fn a_sign_in_and_a_sign_out_survive_a_crash_with_their_index() {
    let mut story = Story::new(|_| {});
    story.acknowledged(|folder| folder.create(&key(1), &record(1, 1_000)));
    story.acknowledged(|folder| folder.replace(&key(1), &of("ann", record(2, 2_000)), rev(1)));
    story.acknowledged(|folder| folder.replace(&key(1), &of("bob", record(3, 2_000)), rev(2)));
    story.acknowledged(|folder| folder.replace(&key(1), &record(4, 2_000), rev(3)));
    story.crash_everywhere();
}

#[test]
fn a_session_that_begins_signed_in_survives_a_crash_with_its_index() {
    let mut story = Story::new(|_| {});
    story.acknowledged(|folder| folder.create(&key(1), &of("ann", record(1, 1_000))));
    story.acknowledged(|folder| folder.create(&key(2), &of("ann", record(1, 1_000))));
    story.acknowledged(|folder| folder.delete(&key(1)));
    story.crash_everywhere();
}

#[test]
fn an_acknowledged_end_of_all_sessions_survives_a_crash() {
    let mut story = Story::new(|folder| {
        for (number, name) in [(1, "ann"), (2, "ann"), (3, "ann"), (4, "bob")] {
            folder.create(&key(number), &of(name, record(1, 1_000))).unwrap();
        }
        // One that begins as the first does, in its shard.
        let mut sibling = *key(1).as_bytes();
        sibling[31] = 9;
        folder.create(&Key::new(sibling), &of("ann", record(1, 1_000))).unwrap();
    });
    story.acknowledged(|folder| folder.end_all(&subject("ann"), Some(&key(2))));
    story.crash_everywhere();
}

#[test]
fn a_lease_never_survives_a_crash() {
    let mut story = Story::new(|folder| {
        folder.create(&key(1), &of("ann", record(1, 1_000))).unwrap();
        folder.acquire(&key(1), &claim(7, 0, 50)).unwrap();
    });
    // Taken over, for its holder's store was closed.
    let taken = story.acknowledged(|folder| folder.acquire(&key(1), &claim(8, 0, 2)));
    assert_eq!(held(taken).revision, rev(2));
    story.acknowledged(|folder| folder.renew(&key(1), &claim(8, 20, 3)));
    story.acknowledged(|folder| folder.release(&key(1), LeaseId::new(8)));
    story.acknowledged(|folder| folder.acquire(&key(1), &claim(9, 0, 4)));
    story.crash_everywhere();
}

#[test]
fn a_purge_may_be_undone_by_a_crash_and_hides_nothing_from_the_index() {
    let mut story = Story::new(|folder| {
        folder.create(&key(1), &of("ann", record(1, 100))).unwrap();
        folder.create(&key(2), &record(1, 100)).unwrap();
        folder.acquire(&key(1), &claim(7, 0, 50)).unwrap();
        folder.create(&key(3), &of("ann", record(1, 1_000))).unwrap();
    });
    story.unsynced(|folder| folder.purge(at(500), 10));
    story.crash_everywhere();
}

#[test]
fn an_expiry_beyond_the_file_systems_times_survives_a_crash() {
    let mut story = Story::new(|folder| folder.create(&key(1), &record(1, 100)).unwrap());
    story.acknowledged(|folder| folder.touch(&key(1), at(0), Timestamp::MAX));
    story.crash_everywhere();
}

#[test]
fn a_folder_that_was_being_made_is_made_complete_after_a_crash() {
    let place = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(place.path()).unwrap();
    let (hook, tape) = (Hook::new(), Tape::default());
    record_on(&hook, &root, &tape);
    let disk = Disk::observed(Durability::Full, hook);
    let mut before = CrashDisk::of(&root);
    drop(open_on(&root, disk));

    let tape = std::mem::take(&mut *lock(&tape));
    let images = tempfile::tempdir().unwrap();
    let mut random = Random(7);
    let is_shard =
        |done: Option<&Done>| matches!(done, Some(Done::MakeFolder(path)) if path.iter().count() > 2);
    let mut seen = BTreeSet::new();
    for crashed_at in 0..=tape.len() {
        // In a row of shards being made one point is like another.
        if !is_shard(tape.get(crashed_at)) || !is_shard(tape.get(crashed_at + 1)) || crashed_at % 128 == 0 {
            for image in before.images(&mut random, 2) {
                let marked = image.file("s/cloakroom").is_some();
                assert!(marked || crashed_at < tape.len(), "an opened folder is there after a crash");
                if !seen.insert(image.clone()) {
                    continue;
                }
                image.build(images.path(), &|_| false);
                let folder = another(images.path());
                // Every shard is there.
                assert_eq!(folder.count().unwrap(), 0);
                assert!((0..=u8::MAX).all(|byte| folder.layout.subject_shard(byte).is_dir()));
                folder.create(&key(1), &of("ann", record(1, 100))).unwrap();
                assert_eq!(
                    held(folder.acquire(&key(1), &claim(1, 0, 2)).unwrap()),
                    of("ann", record(1, 100))
                );
            }
        }
        if let Some(done) = tape.get(crashed_at) {
            before.apply(done);
        }
    }
    eprintln!("{} images of {} changes", seen.len(), tape.len());
}

type Tape = Arc<Mutex<Vec<Done>>>;

fn record_on(hook: &Hook, root: &Path, tape: &Tape) {
    let (root, tape) = (root.to_owned(), Arc::clone(tape));
    hook.set(move |change| {
        lock(&tape).push(Done::new(&root, change));
        Ok(())
    });
}

/// Calls on a folder, with every change that they make to the disk.
pub(super) struct Story {
    _place: TempDir,
    root: PathBuf,
    before: CrashDisk,
    folder: Folder,
    tape: Tape,
    keys: BTreeMap<Key, Vec<Version>>,
}

/// What was stored under a key at some time.
#[derive(Debug)]
struct Version {
    /// When it was asked for, in numbers of changes.
    asked_at: usize,
    /// From here on a crash must not take it back.
    safe_from: usize,
    record: Option<Record>,
}

impl Story {
    /// Begins after `prepare`, all of which is safe; its store is closed again.
    pub(super) fn new(prepare: impl FnOnce(&Folder)) -> Self {
        let place = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(place.path()).unwrap();
        prepare(&another(&root));
        let hook = Hook::new();
        let folder = open_on(&root, Disk::observed(Durability::Full, hook.clone()));
        let tape = Tape::default();
        record_on(&hook, &root, &tape);
        let mut story =
            Self { before: CrashDisk::of(&root), _place: place, root, folder, tape, keys: BTreeMap::new() };
        story.look(0, 0);
        story
    }

    /// A call whose effects must survive once it has answered.
    fn acknowledged<T>(&mut self, call: impl FnOnce(&Folder) -> Result<T>) -> T {
        let asked_at = lock(&self.tape).len();
        let answer = call(&self.folder).unwrap();
        let safe_from = lock(&self.tape).len();
        self.look(asked_at, safe_from);
        answer
    }

    /// A call whose effects may be undone by a crash.
    fn unsynced<T>(&mut self, call: impl FnOnce(&Folder) -> Result<T>) -> T {
        let asked_at = lock(&self.tape).len();
        let answer = call(&self.folder).unwrap();
        self.look(asked_at, usize::MAX);
        answer
    }

    /// Notes what has changed.
    fn look(&mut self, asked_at: usize, safe_from: usize) {
        let mut found: BTreeMap<_, _> = self.folder.page(None, 1_000).unwrap().records.into_iter().collect();
        for number in 0..=9 {
            self.keys.entry(key(number)).or_default();
        }
        for key in found.keys() {
            self.keys.entry(*key).or_default();
        }
        for (key, versions) in &mut self.keys {
            let record = found.remove(key);
            if versions.last().is_none_or(|last| last.record != record) {
                versions.push(Version { asked_at, safe_from, record });
            }
        }
    }

    /// Checks every image of every crash.
    pub(super) fn crash_everywhere(mut self) {
        let tape = std::mem::take(&mut *lock(&self.tape));
        let images = tempfile::tempdir().unwrap();
        let mut random = Random(7);
        let busy: BTreeSet<_> =
            self.busy().map(|path| path.strip_prefix(&self.root).unwrap().to_owned()).collect();
        let is_idle = |path: &Path| path.iter().count() == 3 && !busy.contains(path);
        let mut seen = BTreeSet::new();
        for crashed_at in 0..=tape.len() {
            for image in self.before.images(&mut random, 24) {
                if !seen.insert((image.clone(), self.allowed(crashed_at).collect::<Vec<_>>())) {
                    continue;
                }
                image.build(images.path(), &is_idle);
                let done = crashed_at.checked_sub(1).map(|last| &tape[last]);
                let context = format!("crashed after {crashed_at} changes, {done:?}, leaving {image:?}");
                self.check(images.path(), crashed_at, &context);
            }
            if let Some(done) = tape.get(crashed_at) {
                self.before.apply(done);
            }
        }
        eprintln!("{} images of {} changes", seen.len(), tape.len());
    }

    /// The shards that anything here is in.
    fn busy(&self) -> impl Iterator<Item = PathBuf> {
        let layout = &self.folder.layout;
        let subjects =
            ["ann", "bob", "eve"].map(|name| layout.subject(&subject(name)).parent().unwrap().to_owned());
        self.keys.keys().map(|key| layout.shard_of(key)).chain(subjects)
    }

    /// Which versions of each session may be found after a crash at this point.
    fn allowed(&self, crashed_at: usize) -> impl Iterator<Item = (usize, usize)> {
        self.keys.values().map(move |versions| {
            let first = versions.iter().rposition(|version| version.safe_from <= crashed_at).unwrap();
            (first, versions.iter().rposition(|version| version.asked_at <= crashed_at).unwrap())
        })
    }

    fn check(&self, place: &Path, crashed_at: usize, context: &str) {
        let folder = another(place);
        let mut alive = Vec::new();
        for ((key, versions), (first, last)) in self.keys.iter().zip(self.allowed(crashed_at)) {
            let found = folder.load(key).unwrap_or_else(|error| panic!("{error:?}, {context}"));
            let allowed = versions[first..=last].iter().any(|version| version.record == found);
            assert!(allowed, "{key} is {found:?}, {context}");
            alive.extend(found.map(|record| (*key, record)));
        }
        for (key, record) in &alive {
            if let Some(subject) = &record.subject {
                let listed = folder.list(subject).unwrap();
                assert!(listed.contains(&(*key, record.clone())), "{key} is not listed, {context}");
            }
        }
        go_on(&folder, &alive, context);
    }
}

/// Every session can be used as if nothing had happened.
fn go_on(folder: &Folder, alive: &[(Key, Record)], context: &str) {
    let mut of_users = BTreeMap::new();
    for (key, record) in alive {
        let answer = folder.acquire(key, &claim(99, 10, 500)).unwrap();
        assert_ne!(answer, Acquired::Busy, "{context}");
        let mut next = held(answer);
        assert!(next.revision == record.revision || next.revision == rev(500), "{context}");
        assert_eq!(next, Record { revision: next.revision, ..record.clone() }, "{context}");
        let revision = std::mem::replace(&mut next.revision, rev(501));
        folder.replace(key, &next, revision).unwrap();
        assert_eq!(folder.load(key).unwrap(), Some(next), "{context}");
        match &record.subject {
            Some(subject) => *of_users.entry(subject).or_insert(0) += 1,
            None => assert!(folder.delete(key).unwrap(), "{context}"),
        }
    }
    for (subject, sessions) in of_users {
        assert_eq!(folder.end_all(subject, None).unwrap(), sessions, "{context}");
    }
    for (key, _) in alive {
        assert_eq!(folder.load(key).unwrap(), None, "{context}");
        folder.create(key, &of("eve", record(1, 1))).unwrap();
    }
    assert_eq!(folder.list(&subject("eve")).unwrap().len(), alive.len(), "{context}");
    assert_eq!(folder.purge(at(2), 1_000).unwrap(), alive.len(), "{context}");
    assert_eq!(names_in(&folder.layout.drafts), [""; 0], "{context}");
    assert_eq!(names_in(&folder.layout.leases), [""; 0], "{context}");
    assert_eq!(names_in(&folder.layout.instances).len(), 1, "{context}");
}
