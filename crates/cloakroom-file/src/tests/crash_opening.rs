//! The power goes at every point of making the folder.

use std::collections::BTreeSet;
use std::fs;

use super::crash::{Tape, record_on, without};
use super::crash_disk::{CrashDisk, Done, Random};
use super::{Hook, at, claim, held, key, lock, of, open_on, opened, place, record};
use crate::disk::{Disk, Durability};
use crate::layout::Layout;
use crate::open::is_complete;

#[test]
fn a_folder_that_was_being_made_is_made_complete_after_a_crash() {
    let images = crash_everywhere(&made(), 0).unwrap();
    assert!(images > 100, "only {images} images");
}

#[test]
fn leaving_out_a_sync_while_the_folder_is_made_is_noticed() {
    let tape = made();
    let syncs: Vec<_> =
        (0..tape.len()).filter(|n| matches!(tape[*n], Done::Sync(_) | Done::SyncFolder(_))).collect();
    assert_eq!(
        syncs.len(),
        6,
        "sessions, subjects, the folder, what it is in, the marker, and the folder again"
    );
    // Until there is a marker nothing can be missed.
    let marked = tape.iter().position(|done| matches!(done, Done::Link(..))).unwrap();
    for sync in syncs {
        let fewer: Vec<_> = without(&tape, |n, _| n == sync);
        assert!(crash_everywhere(&fewer, marked).is_err(), "nobody misses {:?}", tape[sync]);
    }
}

/// What opening a new folder does to the disk.
fn made() -> Vec<Done> {
    let place = place();
    let root = fs::canonicalize(place.path()).unwrap();
    let (hook, tape) = (Hook::new(), Tape::default());
    record_on(&hook, &root, &tape);
    drop(open_on(&root, Disk::observed(Durability::Full, hook)));
    std::mem::take(&mut *lock(&tape))
}

fn crash_everywhere(tape: &[Done], from: usize) -> Result<usize, String> {
    let images = place();
    let mut disk = CrashDisk::of(images.path());
    let mut random = Random(7);
    let is_shard =
        |done: Option<&Done>| matches!(done, Some(Done::MakeFolder(path)) if path.iter().count() > 2);
    let mut seen = BTreeSet::new();
    for crashed_at in 0..=tape.len() {
        // In a row of shards being made one point is like another.
        let alike =
            is_shard(tape.get(crashed_at)) && is_shard(tape.get(crashed_at + 1)) && crashed_at % 128 != 0;
        if crashed_at >= from && !alike {
            for image in disk.images(&mut random, 2) {
                if image.file("s/cloakroom").is_none() && crashed_at == tape.len() {
                    return Err("the folder was opened, and is gone".to_owned());
                }
                if seen.insert(image.clone()) {
                    image.build(images.path(), &|_| false);
                    check(images.path()).map_err(|problem| format!("{problem}, {crashed_at} of {tape:?}"))?;
                }
            }
        }
        if let Some(done) = tape.get(crashed_at) {
            disk.apply(done);
        }
    }
    Ok(seen.len())
}

/// Where there is a marker there is everything else; without one it is made good. It opens, and every shard is there.
fn check(place: &std::path::Path) -> Result<(), String> {
    let layout = Layout::new(place.join("s"));
    if layout.marker().exists() && !is_complete(&layout) {
        return Err("a folder is missing".to_owned());
    }
    let folder = opened(&place.join("s")).map_err(|problem| problem.to_string())?;
    folder.count(at(0)).map_err(|error| format!("{error:?}"))?;
    if !is_complete(&layout) {
        return Err("a folder was not made".to_owned());
    }
    folder.create(&key(1), &of("ann", record(1, 100))).unwrap();
    assert_eq!(held(folder.acquire(&key(1), &claim(1, 0, 2)).unwrap()), of("ann", record(1, 100)));
    assert_eq!(folder.purge(at(101), 9).unwrap(), 1);
    Ok(())
}
