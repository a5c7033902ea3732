//! The power goes after every change that a call makes to the disk, and every folder that may be found then is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cloakroom_store::{Error, Key, LeaseId, Record, SubjectEntry, Timestamp};
use tempfile::TempDir;

use super::crash_disk::{CrashDisk, Done, Random};
use super::{
    Hook, another, at, claim, held, is_busy, key, listed, lock, names_in, of, open_on, place, record, rev,
    subject,
};
use crate::disk::{Disk, DiskChange, Durability};
use crate::folder::Folder;

#[test]
fn a_session_survives_a_crash_as_its_old_or_its_new_version() {
    a_life().crash_everywhere();
}

fn a_life() -> Story {
    let mut story = Story::new(|_| {});
    story.acknowledged(|folder| folder.create(&key(1), &record(1, 1_000)));
    story.acknowledged(|folder| folder.replace(&key(1), &record(2, 2_000), rev(1)));
    story.unsynced(|folder| folder.touch(&key(1), at(0), at(3_000)));
    story.acknowledged(|folder| folder.replace(&key(1), &record(3, 2_500), rev(2)));
    story.unsynced(|folder| folder.touch(&key(1), at(0), at(3_500)));
    story.acknowledged(|folder| folder.delete(&key(1)));
    story
}

#[test]
fn a_sign_in_and_a_sign_out_survive_a_crash_with_their_index() {
    signing_in_and_out().crash_everywhere();
}

fn signing_in_and_out() -> Story {
    let mut story = Story::new(|_| {});
    story.acknowledged(|folder| folder.create(&key(1), &record(1, 1_000)));
    story.acknowledged(|folder| folder.replace(&key(1), &of("ann", record(2, 2_000)), rev(1)));
    story.acknowledged(|folder| folder.replace(&key(1), &of("bob", record(3, 2_000)), rev(2)));
    story.acknowledged(|folder| folder.replace(&key(1), &record(4, 2_000), rev(3)));
    story
}

#[test]
fn a_session_that_begins_signed_in_survives_a_crash_with_its_index() {
    begun_signed_in().crash_everywhere();
}

fn begun_signed_in() -> Story {
    let mut story = Story::new(|_| {});
    story.acknowledged(|folder| folder.create(&key(1), &of("ann", record(1, 1_000))));
    story.acknowledged(|folder| folder.create(&key(2), &of("ann", record(1, 1_000))));
    story.acknowledged(|folder| folder.delete(&key(1)));
    story
}

#[test]
fn an_acknowledged_end_of_all_sessions_survives_a_crash() {
    ending_all().crash_everywhere();
}

fn ending_all() -> Story {
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
    story
}

#[test]
fn a_lease_never_survives_a_crash() {
    leases().crash_everywhere();
}

fn leases() -> Story {
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
    story
}

#[test]
fn a_purge_may_be_undone_by_a_crash_and_hides_nothing_from_the_index() {
    purging().crash_everywhere();
}

fn purging() -> Story {
    let mut story = Story::new(|folder| {
        folder.create(&key(1), &of("ann", record(1, 100))).unwrap();
        folder.create(&key(2), &record(1, 100)).unwrap();
        folder.acquire(&key(1), &claim(7, 0, 50)).unwrap();
        folder.create(&key(3), &of("ann", record(1, 1_000))).unwrap();
    });
    story.unsynced(|folder| folder.purge(at(500), 10));
    story
}

#[test]
fn an_expiry_beyond_the_file_systems_times_survives_a_crash() {
    far_expiry().crash_everywhere();
}

fn far_expiry() -> Story {
    let mut story = Story::new(|folder| folder.create(&key(1), &record(1, 100)).unwrap());
    story.acknowledged(|folder| folder.touch(&key(1), at(0), Timestamp::MAX));
    story
}

type Tell = fn() -> Story;

#[test]
fn leaving_out_any_kind_of_sync_is_noticed() {
    let needed: [(Tell, &[&str]); 7] = [
        (a_life, &[DRAFT, SESSIONS]),
        (signing_in_and_out, &[DRAFT, SESSIONS, SUBJECT, SUBJECTS]),
        (begun_signed_in, &[DRAFT, SESSIONS, SUBJECT, SUBJECTS]),
        (ending_all, &[SESSIONS]),
        (purging, &[SESSIONS]),
        (leases, &[DRAFT, SESSIONS]),
        (far_expiry, &[DRAFT, SESSIONS]),
    ];
    for (story, kinds) in needed {
        let story = story();
        for kind in kinds {
            let tape = without(&lock(&story.tape), |_, done| kind_of_sync(done) == Some(kind));
            assert!(story.crash(&tape, false).is_err(), "nobody misses the sync of {kind}");
        }
    }
}

/// Where the file or folder is that is synced.
fn kind_of_sync(done: &Done) -> Option<&'static str> {
    let (Done::Sync(path) | Done::SyncFolder(path)) = done else { return None };
    Some(match (path.iter().nth(1)?.to_str()?, path.iter().count()) {
        ("drafts", 3) => DRAFT,
        ("sessions", 3) => SESSIONS,
        ("subjects", 3) => SUBJECTS,
        ("subjects", 4) => SUBJECT,
        _ => panic!("another sync: {done:?}"),
    })
}

/// A tape on which some changes became [`Done::Nothing`].
pub(super) fn without(tape: &[Done], left_out: impl Fn(usize, &Done) -> bool) -> Vec<Done> {
    let changes = tape.iter().enumerate();
    changes.map(|(n, done)| if left_out(n, done) { Done::Nothing } else { done.clone() }).collect()
}

pub(super) type Tape = Arc<Mutex<Vec<Done>>>;

pub(super) fn record_on(hook: &Hook, root: &Path, tape: &Tape) {
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
    pub(super) folder: Folder,
    pub(super) hook: Arc<Hook>,
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
        let place = place();
        let root = fs::canonicalize(place.path()).unwrap();
        prepare(&another(&root));
        let hook = Hook::new();
        let folder = open_on(&root, Disk::observed(Durability::Full, hook.clone()));
        let tape = Tape::default();
        record_on(&hook, &root, &tape);
        let mut story = Self {
            before: CrashDisk::of(&root),
            _place: place,
            root,
            folder,
            hook,
            tape,
            keys: BTreeMap::new(),
        };
        story.look(0, 0);
        story
    }

    /// Another store on the folder, whose changes are on the same tape.
    pub(super) fn another(&self) -> Folder {
        let hook = Hook::new();
        let folder = open_on(&self.root, Disk::observed(Durability::Full, hook.clone()));
        record_on(&hook, &self.root, &self.tape);
        folder
    }

    /// Before the first change that `when` means, `meanwhile` is done.
    pub(super) fn interrupt(
        &self,
        when: impl Fn(&DiskChange<'_>) -> bool + Send + 'static,
        meanwhile: impl FnOnce() + Send + 'static,
    ) {
        let (record, mut meanwhile) = (self.recorder(), Some(meanwhile));
        self.hook.set(move |change| {
            if when(change)
                && let Some(meanwhile) = meanwhile.take()
            {
                meanwhile();
            }
            record(change);
            Ok(())
        });
    }

    /// Puts a change on the tape.
    pub(super) fn recorder(&self) -> impl Fn(&DiskChange<'_>) + Send + 'static {
        let (root, tape) = (self.root.clone(), Arc::clone(&self.tape));
        move |change| lock(&tape).push(Done::new(&root, change))
    }

    /// From now on a crash must not take back what was last done to `key`.
    pub(super) fn settled(&mut self, key: &Key) {
        let now = lock(&self.tape).len();
        self.keys.get_mut(key).unwrap().last_mut().unwrap().safe_from = now;
    }

    /// A call whose effects must survive once it has returned.
    pub(super) fn acknowledged<T>(&mut self, call: impl FnOnce(&Folder) -> Result<T, Error>) -> T {
        let asked_at = lock(&self.tape).len();
        let answer = call(&self.folder).unwrap();
        let safe_from = lock(&self.tape).len();
        self.look(asked_at, safe_from);
        answer
    }

    /// A call whose effects may be undone by a crash.
    pub(super) fn unsynced<T>(&mut self, call: impl FnOnce(&Folder) -> Result<T, Error>) -> T {
        let asked_at = lock(&self.tape).len();
        let answer = call(&self.folder).unwrap();
        self.look(asked_at, usize::MAX);
        answer
    }

    /// Notes what has changed.
    fn look(&mut self, asked_at: usize, safe_from: usize) {
        let mut found: BTreeMap<_, _> = self.folder.page(None, 1_000).unwrap().items.into_iter().collect();
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
    pub(super) fn crash_everywhere(self) {
        let tape = lock(&self.tape).clone();
        let images = self.crash(&tape, true).unwrap_or_else(|problem| panic!("{problem}"));
        assert!(images > 2, "only {images} images");
    }

    /// The same for a tape that may be another one; returns how many images there were.
    fn crash(&self, tape: &[Done], go_on_after: bool) -> Result<usize, String> {
        let images = place();
        let mut disk = self.before.clone();
        let mut random = Random(7);
        let busy: BTreeSet<_> =
            self.busy().map(|path| path.strip_prefix(&self.root).unwrap().to_owned()).collect();
        let is_idle = |path: &Path| path.iter().count() == 3 && !busy.contains(path);
        let mut seen = BTreeSet::new();
        for crashed_at in 0..=tape.len() {
            for image in disk.images(&mut random, 24) {
                if !seen.insert((image.clone(), self.allowed(crashed_at).collect::<Vec<_>>())) {
                    continue;
                }
                image.build(images.path(), &is_idle);
                let folder = another(images.path());
                let context = || format!("crashed after {crashed_at} of {tape:?}, leaving {image:?}");
                let alive =
                    self.check(&folder, crashed_at).map_err(|problem| format!("{problem}, {}", context()))?;
                if go_on_after {
                    go_on(&folder, &alive, &context());
                }
            }
            if let Some(done) = tape.get(crashed_at) {
                disk.apply(done);
            }
        }
        Ok(seen.len())
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

    /// Each session is a version that it may be, and its user's; returns all that there are.
    fn check(&self, folder: &Folder, crashed_at: usize) -> Result<Vec<(Key, Record)>, String> {
        let mut alive = Vec::new();
        for ((key, versions), (first, last)) in self.keys.iter().zip(self.allowed(crashed_at)) {
            let found = folder.load(key).map_err(|error| format!("{error:?}"))?;
            if !versions[first..=last].iter().any(|version| version.record == found) {
                return Err(format!("{key} is {found:?}"));
            }
            alive.extend(found.map(|record| (*key, record)));
        }
        for (key, record) in &alive {
            if let Some(subject) = &record.subject
                && !listed(folder, subject.as_str())
                    .unwrap()
                    .contains(&SubjectEntry::new(*key, record.expires_at))
            {
                return Err(format!("{key} is not listed"));
            }
        }
        Ok(alive)
    }
}

/// Every session can be used as if nothing had happened.
fn go_on(folder: &Folder, alive: &[(Key, Record)], context: &str) {
    let mut of_users = BTreeMap::new();
    for (key, record) in alive {
        let answer = folder.acquire(key, &claim(99, 10, 500)).unwrap();
        assert!(!is_busy(&answer), "{context}");
        let mut next = held(answer);
        assert!(next.revision == record.revision || next.revision == rev(500), "{context}");
        let revision = std::mem::replace(&mut next.revision, record.revision);
        assert_eq!(next, *record, "{context}");
        next.revision = rev(501);
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
    assert_eq!(listed(folder, "eve").unwrap().len(), alive.len(), "{context}");
    assert_eq!(folder.purge(at(2), 1_000).unwrap(), alive.len(), "{context}");
    assert_eq!(names_in(&folder.layout.drafts), [""; 0], "{context}");
    assert_eq!(names_in(&folder.layout.leases), [""; 0], "{context}");
    assert_eq!(names_in(&folder.layout.instances).len(), 1, "{context}");
}

const DRAFT: &str = "a draft";
const SESSIONS: &str = "a shard of sessions";
const SUBJECTS: &str = "a shard of subjects";
const SUBJECT: &str = "a subject's folder";
