//! What those leave who died in the middle, and what becomes of it.

use std::fs;

use cloakroom_store::LeaseId;

use super::{another, at, claim, fresh, held, is_busy, key, names_in, of, record, rev, subject};

#[test]
fn purge_clears_away_what_dead_instances_left_and_nothing_of_living_ones() {
    let (place, folder) = fresh();
    let living = another(place.path());
    let draft = living.presence.draft_name();
    fs::write(folder.layout.drafts.join(&draft), "being written").unwrap();
    let dead = "00000000deadbeef";
    fs::write(folder.layout.drafts.join(format!("{dead}.0")), "half").unwrap();
    fs::write(folder.layout.drafts.join(format!("{dead}.1")), "").unwrap();
    fs::write(folder.layout.instances.join(dead), "").unwrap();
    // Its own file may be gone already, and the system may have given its drafts back.
    fs::write(folder.layout.drafts.join("00000000cafebabe.5"), "").unwrap();

    folder.purge(at(0), 10).unwrap();
    assert_eq!(names_in(&folder.layout.drafts), [draft]);
    assert_eq!(names_in(&folder.layout.instances).len(), 2);
    drop(living);
    folder.purge(at(0), 10).unwrap();
    assert_eq!(names_in(&folder.layout.drafts), [""; 0]);
    assert_eq!(names_in(&folder.layout.instances).len(), 1);
}

#[test]
fn purge_clears_leases_whose_record_is_gone_and_no_others() {
    let (_place, folder) = fresh();
    for number in [1, 2] {
        folder.create(&key(number), &record(1, 1_000)).unwrap();
        held(folder.acquire(&key(number), &claim(7, 0, 70)).unwrap());
    }
    // As if somebody had died between the two removals.
    fs::remove_file(folder.layout.record(&key(1))).unwrap();
    folder.purge(at(0), 10).unwrap();
    assert_eq!(names_in(&folder.layout.leases), [key(2).to_string()]);
    assert!(is_busy(&folder.acquire(&key(2), &claim(8, 1, 80)).unwrap()));
}

#[test]
fn a_lease_is_kept_while_nobody_can_tell_whether_its_record_is_gone() {
    let (_place, folder) = fresh();
    folder.create(&key(1), &record(1, 1_000)).unwrap();
    held(folder.acquire(&key(1), &claim(7, 0, 70)).unwrap());
    // A shard that is not a folder: looking into it fails, as on a broken disk.
    let shard = folder.layout.shard_of(&key(1));
    let aside = folder.layout.root.join("aside");
    fs::rename(&shard, &aside).unwrap();
    fs::write(&shard, "").unwrap();
    folder.purge(at(0), 10).unwrap_err();
    fs::remove_file(&shard).unwrap();
    fs::rename(&aside, &shard).unwrap();
    assert_eq!(names_in(&folder.layout.leases), [key(1).to_string()]);
}

#[test]
fn purge_clears_markers_whose_record_is_gone_or_names_another_user_and_no_others() {
    let (_place, folder) = fresh();
    for (number, name) in [(1, "ann"), (2, "ann"), (3, "bob")] {
        folder.create(&key(number), &of(name, record(1, 1_000))).unwrap();
    }
    let ann = folder.layout.subject(&subject("ann"));
    fs::write(ann.join(key(3).to_string()), "").unwrap();
    fs::remove_file(folder.layout.record(&key(1))).unwrap();
    let empty = folder.layout.subject(&subject("eve"));
    fs::create_dir(&empty).unwrap();
    // One shard of the index in each round.
    for _ in 0..256 {
        folder.purge(at(0), 10).unwrap();
    }
    assert_eq!(names_in(&ann), [key(2).to_string()]);
    assert_eq!(names_in(&folder.layout.subject(&subject("bob"))), [key(3).to_string()]);
    assert!(!empty.exists());
}

#[test]
fn a_marker_goes_with_the_sign_out_and_a_users_folder_with_the_last() {
    let (_place, folder) = fresh();
    let ann = folder.layout.subject(&subject("ann"));
    for number in [1, 2, 3, 4] {
        folder.create(&key(number), &of("ann", record(1, 100 * u64::from(number)))).unwrap();
    }
    folder.replace(&key(4), &record(2, 1_000), rev(1)).unwrap();
    assert_eq!(names_in(&ann).len(), 3);
    folder.delete(&key(3)).unwrap();
    assert_eq!(names_in(&ann).len(), 2);
    folder.purge(at(101), 10).unwrap();
    assert_eq!(names_in(&ann), [key(2).to_string()]);
    folder.end_all(&subject("ann"), None).unwrap();
    assert!(!ann.exists());
}

#[test]
fn the_lease_of_a_store_that_was_closed_is_taken_over_at_once_with_a_new_revision() {
    let (place, folder) = fresh();
    folder.create(&key(1), &record(1, 1_000)).unwrap();
    let other = another(place.path());
    held(other.acquire(&key(1), &claim(7, 0, 70)).unwrap());
    assert!(is_busy(&folder.acquire(&key(1), &claim(8, 1, 80)).unwrap()));
    assert!(!folder.may_be_free(&key(1)).unwrap());
    drop(other);
    assert!(folder.may_be_free(&key(1)).unwrap());
    let taken = held(folder.acquire(&key(1), &claim(8, 1, 80)).unwrap());
    assert_eq!(taken.revision, rev(80));
    assert!(!folder.release(&key(1), LeaseId::new(7)).unwrap());
}

#[test]
fn half_a_lease_is_taken_over_with_a_new_revision() {
    let (_place, folder) = fresh();
    folder.create(&key(1), &record(1, 1_000)).unwrap();
    let mut revision = 1;
    for half in [&b""[..], &[0; 24], b"half", &[7; 100]] {
        fs::write(folder.layout.lease(&key(1)), half).unwrap();
        revision += 1;
        let taken = held(folder.acquire(&key(1), &claim(8, 1, revision)).unwrap());
        assert_eq!(taken.revision, rev(revision), "{half:?}");
        assert!(is_busy(&folder.acquire(&key(1), &claim(9, 1, 99)).unwrap()), "{half:?}");
        assert!(folder.release(&key(1), LeaseId::new(8)).unwrap(), "{half:?}");
    }
}
