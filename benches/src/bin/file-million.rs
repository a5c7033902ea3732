//! What a folder of a million sessions does, beside the bare file operations that it comes down to.
//!
//! `cargo run --release -p cloakroom-benches --bin file-million [FOLDER]`
//!
//! Takes about 9 GB in a new folder inside of FOLDER (default: the folder for temporary files), and some minutes. Each call
//! is followed by its bare counterpart, on files of the same size in a tree of the same shape and number, so that both
//! see the same disk.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use cloakroom_benches::{Times, key, loads_beside};
use cloakroom_file::{FileStore, FileStoreBuilder};
use cloakroom_store::{Key, Record, Revision, Store, Timestamp};
use tokio::runtime::{Builder, Runtime};

fn main() {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = Folder::new(&parent);
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");

    let bare = Bare::new(&folder.0.join("bare"));
    let store = open(&folder.0, &FileStore::builder().danger_relaxed_durability());
    println!("relaxed: nothing is synced");
    compare(&runtime, &store, &bare, Call::Create, 0..MILLION);
    compare(&runtime, &store, &bare, Call::Read, scattered(200_000));
    compare(&runtime, &store, &bare, Call::Replace, scattered(100_000));
    compare(&runtime, &store, &bare, Call::Touch, scattered(100_000));
    drop(store);

    println!("\nfull: every change is synced");
    let (bare, store) = (bare.synced(), open(&folder.0, &FileStore::builder()));
    compare(&runtime, &store, &bare, Call::Create, MILLION..MILLION + 5_000);
    compare(&runtime, &store, &bare, Call::Replace, scattered(5_000));
    compare(&runtime, &store, &bare, Call::Delete, MILLION..MILLION + 5_000);

    println!("\nsweeps");
    loads_beside(SWEPT..MILLION, load(&store), "nothing", || thread::sleep(Duration::from_secs(2)));
    let mut idle = Times::default();
    loads_beside(SWEPT..MILLION, load(&store), "a purge that finds nothing", || {
        for _ in 0..3 {
            let removed = idle.measure(|| runtime.block_on(store.purge(Timestamp::from_millis(1), 1000)));
            assert_eq!(removed.expect("a purge"), 0);
        }
    });
    idle.print("purge that finds nothing among a million");
    let mut batches = Times::default();
    loads_beside(SWEPT..MILLION, load(&store), "a sweep of nine tenths", || {
        while batches.measure(|| runtime.block_on(store.purge(CUTOFF, 1000))).expect("a purge") == 1000 {}
    });
    batches.print("purge of 1000");
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Create,
    Read,
    Replace,
    Touch,
    Delete,
}

/// Makes each call on the store and on bare files, in turns, and prints both.
fn compare(
    runtime: &Runtime,
    store: &FileStore,
    bare: &Bare,
    call: Call,
    numbers: impl Iterator<Item = u64>,
) {
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    for number in numbers {
        let (key, record) = (key(number), record(number));
        let revision = record.revision;
        match call {
            Call::Create => {
                ours.measure(|| runtime.block_on(store.create(&key, &record, Timestamp::from_millis(0))))
                    .expect("a create");
                theirs.measure(|| bare.create(number));
            }
            Call::Read => {
                let found = ours.measure(|| runtime.block_on(store.load(&key))).expect("a load");
                assert_eq!(found, Some(record));
                assert!(!theirs.measure(|| fs::read(bare.path(number)).expect("a file")).is_empty());
            }
            Call::Replace => {
                ours.measure(|| {
                    runtime.block_on(store.replace(&key, &record, revision, Timestamp::from_millis(0)))
                })
                .expect("a replace");
                theirs.measure(|| bare.replace(number));
            }
            Call::Touch => {
                let later = record.expires_at.saturating_add(Duration::from_millis(1));
                let alive = ours.measure(|| runtime.block_on(store.touch(&key, Timestamp::default(), later)));
                assert!(alive.expect("a touch"));
                theirs
                    .measure(|| {
                        File::open(bare.path(number)).and_then(|file| file.set_modified(time(number)))
                    })
                    .expect("a file");
            }
            Call::Delete => {
                assert!(ours.measure(|| runtime.block_on(store.delete(&key))).expect("a delete"));
                theirs.measure(|| bare.delete(number));
            }
        }
    }
    ours.print(&format!("{call:?}"));
    theirs.print(&format!("  bare {}", bare.what(call)));
    println!("  => {:.2} of bare, by medians", ours.median().as_secs_f64() / theirs.median().as_secs_f64());
}

/// A load of a live session.
fn load(store: &FileStore) -> impl FnMut(&Key) -> bool + Send {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    move |key| runtime.block_on(store.load(key)).expect("a load").is_some()
}

/// Plain files in 256 folders, changed in the ways that are atomic.
struct Bare {
    root: PathBuf,
    synced: bool,
}

impl Bare {
    fn new(root: &Path) -> Self {
        for shard in 0..=u8::MAX {
            fs::create_dir_all(root.join(format!("{shard:02x}"))).expect("a folder");
        }
        Self { root: root.to_owned(), synced: false }
    }

    fn synced(self) -> Self {
        Self { synced: true, ..self }
    }

    fn what(&self, call: Call) -> &'static str {
        match (call, self.synced) {
            (Call::Create, false) => "write, link, unlink",
            (Call::Create, true) => "write, sync, link, unlink, sync the folder",
            (Call::Replace, false) => "write, rename",
            (Call::Replace, true) => "write, sync, rename, sync the folder",
            (Call::Read, _) => "open, read",
            (Call::Touch, _) => "open, utimensat",
            (Call::Delete, false) => "unlink",
            (Call::Delete, true) => "unlink, sync the folder",
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        let name = key(number).to_string();
        self.root.join(&name[..2]).join(name)
    }

    fn create(&self, number: u64) {
        let draft = self.draft(number);
        let path = self.path(number);
        fs::hard_link(&draft, &path).expect("a link");
        fs::remove_file(draft).expect("a draft");
        self.sync(&path);
    }

    fn replace(&self, number: u64) {
        let path = self.path(number);
        fs::rename(self.draft(number), &path).expect("a rename");
        self.sync(&path);
    }

    fn delete(&self, number: u64) {
        let path = self.path(number);
        fs::remove_file(&path).expect("a file");
        self.sync(&path);
    }

    fn draft(&self, number: u64) -> PathBuf {
        let draft = self.root.join("draft");
        let mut file = OpenOptions::new().write(true).create_new(true).open(&draft).expect("a draft");
        file.write_all(&cloakroom_store::encode(&key(number), &record(number))).expect("room");
        file.set_modified(time(number)).expect("a time");
        if self.synced {
            file.sync_all().expect("a sync");
        }
        draft
    }

    fn sync(&self, path: &Path) {
        if self.synced {
            File::open(path.parent().expect("a folder"))
                .and_then(|folder| folder.sync_all())
                .expect("a sync");
        }
    }
}

/// A folder for the measurement; removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(parent: &Path) -> Self {
        let path = parent.join(format!("cloakroom-file-million.{}", std::process::id()));
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

fn open(folder: &Path, builder: &FileStoreBuilder) -> FileStore {
    builder.open(folder.join("sessions")).expect("a store")
}

/// Two hundred bytes; the first nine tenths expire before [`CUTOFF`].
fn record(number: u64) -> Record {
    let expires_at = Timestamp::from_millis(if number < SWEPT { 1_000 + number } else { FAR + number });
    Record::new(Revision::new(number), expires_at, [7; 200].as_slice())
}

fn time(number: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(record(number).expires_at.as_millis())
}

/// This many of the million, in no order.
fn scattered(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|step| step * 618_033 % MILLION)
}

const MILLION: u64 = 1_000_000;
const SWEPT: u64 = 900_000;
const FAR: u64 = 10_000_000_000;
const CUTOFF: Timestamp = Timestamp::from_millis(FAR);
