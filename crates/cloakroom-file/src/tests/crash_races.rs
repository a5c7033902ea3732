//! The power goes while two stores are at one folder, as two processes are.

use std::io;

use cloakroom_store::{Applied, ErrorKind};

use super::crash::Story;
use super::{key, of, record, rev, subject};
use crate::disk::DiskChange;

fn is_sync_in(change: &DiskChange<'_>, parent: &str) -> bool {
    matches!(change, DiskChange::SyncFolder { path } if path.parent().unwrap().ends_with(parent))
}

/// Who clears the index must not believe a sign-out that the disk has not taken yet.
#[test]
fn a_marker_is_not_cleared_away_before_the_sign_out_is_safe() {
    let mut story = Story::new(|folder| folder.create(&key(1), &of("ann", record(1, 1_000))).unwrap());
    let other = story.another();
    story.interrupt(
        |change| is_sync_in(change, "sessions"),
        move || {
            other.clear_markers_of(&other.layout.subject(&subject("ann"))).unwrap();
            // Makes what was cleared last.
            other.create(&key(2), &of("ann", record(1, 1_000))).unwrap();
        },
    );
    story.acknowledged(|folder| folder.replace(&key(1), &record(2, 1_000), rev(1)));
    story.crash_everywhere();
}

/// Nor one that has even failed in its own store.
#[test]
fn a_marker_stays_with_a_sign_out_that_could_not_be_synced() {
    let mut story = Story::new(|folder| {
        folder.create(&key(1), &of("ann", record(1, 1_000))).unwrap();
        folder.create(&key(3), &of("ann", record(1, 1_000))).unwrap();
    });
    refuse_a_sync(&story);
    story.unsynced(|folder| {
        assert_eq!(folder.delete(&key(1)).unwrap_err().kind(), ErrorKind::Unavailable(Applied::Maybe));
        Ok(())
    });
    let other = story.another();
    story.acknowledged(|_| other.create(&key(2), &of("ann", record(1, 1_000))));
    story.crash_everywhere();
}

/// A marker that is there by its name may be another one than was synced.
#[test]
fn a_marker_that_was_removed_and_made_again_is_synced_before_a_record_needs_it() {
    let mut story = Story::new(|folder| folder.create(&key(1), &record(1, 1_000)).unwrap());
    let other = story.another();
    story.interrupt(
        |change| is_sync_in(change, "subjects"),
        move || {
            let folder = other.layout.subject(&subject("ann"));
            other.clear_markers_of(&folder).unwrap();
            // Somebody who signs in there as well, and has come so far.
            other.disk.make_folder(&folder).unwrap();
            other.disk.write_volatile(&folder.join(key(1).to_string()), &[]).unwrap();
        },
    );
    story.acknowledged(|folder| folder.replace(&key(1), &of("ann", record(2, 1_000)), rev(1)));
    story.crash_everywhere();
}

#[test]
fn the_end_of_all_sessions_makes_safe_what_somebody_else_has_ended_a_moment_ago() {
    let mut story = Story::new(|folder| folder.create(&key(1), &of("ann", record(1, 1_000))).unwrap());
    refuse_a_sync(&story);
    story.unsynced(|folder| {
        folder.delete(&key(1)).unwrap_err();
        Ok(())
    });
    let other = story.another();
    story.acknowledged(|_| other.end_all(&subject("ann"), None));
    story.settled(&key(1));
    story.crash_everywhere();
}

#[test]
fn a_delete_makes_safe_what_somebody_else_has_deleted_a_moment_ago() {
    let mut story = Story::new(|folder| folder.create(&key(1), &record(1, 1_000)).unwrap());
    refuse_a_sync(&story);
    story.unsynced(|folder| {
        folder.delete(&key(1)).unwrap_err();
        Ok(())
    });
    let other = story.another();
    assert!(!story.acknowledged(|_| other.delete(&key(1))));
    story.settled(&key(1));
    story.crash_everywhere();
}

/// The next sync of a shard of sessions fails, and does nothing.
fn refuse_a_sync(story: &Story) {
    let recorder = story.recorder();
    let mut refused = false;
    story.hook.set(move |change| {
        if !refused && is_sync_in(change, "sessions") {
            refused = true;
            return Err(io::Error::from_raw_os_error(5));
        }
        recorder(change);
        Ok(())
    });
}
