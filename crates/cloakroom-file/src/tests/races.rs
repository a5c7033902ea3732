//! Two stores on one folder, as two processes have them: one call is cut in two by another, at every change that it
//! makes to the disk. The answers, and what is there afterwards, are those of the one call after the other.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cloakroom_store::{Applied, ErrorKind, LeaseId, Result};

use super::{Hook, another, at, claim, fresh, key, listed, lock, of, open_on, place, record, rev, subject};
use crate::disk::{Disk, Durability};
use crate::folder::Folder;

type Call = fn(&Folder) -> Result<String>;

/// Calls that meet, on a folder that [`prepare`] has filled.
const CALLS: [(&str, Call); 15] = [
    ("create", |folder| shown(folder.create(&key(4), &record(7, 1_000)))),
    ("create signed in", |folder| shown(folder.create(&key(4), &of("ann", record(8, 1_000))))),
    ("replace", |folder| shown(folder.replace(&key(1), &of("ann", record(2, 1_000)), rev(1)))),
    ("sign in", |folder| shown(folder.replace(&key(3), &of("bob", record(3, 1_000)), rev(1)))),
    ("sign in otherwise", |folder| shown(folder.replace(&key(3), &of("ann", record(4, 1_000)), rev(1)))),
    ("sign out", |folder| shown(folder.replace(&key(1), &record(5, 1_000), rev(1)))),
    ("change user", |folder| shown(folder.replace(&key(1), &of("bob", record(6, 1_000)), rev(1)))),
    ("touch", |folder| shown(folder.touch(&key(2), at(50), at(2_000)))),
    ("delete", |folder| shown(folder.delete(&key(1)))),
    ("delete anonymous", |folder| shown(folder.delete(&key(3)))),
    ("end all", |folder| shown(folder.end_all(&subject("ann"), Some(&key(2))))),
    ("purge", |folder| shown(folder.purge(at(500), 10))),
    ("clear", |folder| shown(clear(folder))),
    ("acquire", |folder| shown(folder.acquire(&key(1), &claim(7, 0, 70)))),
    ("release", |folder| shown(folder.release(&key(2), LeaseId::new(6)))),
];

/// The second is about to expire, and leased by the store that prepares it.
fn prepare(folder: &Folder) {
    folder.create(&key(1), &of("ann", record(1, 1_000))).unwrap();
    folder.create(&key(2), &of("ann", record(1, 100))).unwrap();
    folder.create(&key(3), &record(1, 1_000)).unwrap();
    folder.acquire(&key(2), &claim(6, 0, 60)).unwrap();
    // Left by two who died before they came to the record.
    for number in [3, 4] {
        folder.mark(&subject("ann"), &key(number)).unwrap();
    }
}

#[test]
fn a_call_that_is_cut_in_two_by_another_came_before_or_after_it() {
    let place = place();
    let hook = Hook::new();
    let ours = open_on(place.path(), Disk::observed(Durability::Full, hook.clone()));
    let mut theirs = another(place.path());
    // What is locked by the call that is cut in two stays so.
    theirs.locks.patience = Duration::ZERO;
    let theirs = Arc::new(theirs);
    for (name, call) in CALLS {
        begin(&ours);
        let alone = (call(&ours).map_err(|error| error.kind()), state(&ours));
        for (other_name, other) in CALLS {
            let first = in_turn(&ours, call, other);
            let (last_answer, answer, state_after) = in_turn(&ours, other, call);
            let last = (answer, last_answer, state_after);
            for cut in 0.. {
                begin(&ours);
                let answered = Arc::new(Mutex::new(None));
                let (them, slot, mut changes) = (Arc::clone(&theirs), Arc::clone(&answered), 0);
                hook.set(move |_| {
                    if changes == cut {
                        *lock(&slot) = Some(other(&them).map_err(|error| error.kind()));
                    }
                    changes += 1;
                    Ok(())
                });
                let answer = call(&ours).map_err(|error| error.kind());
                hook.clear();
                let Some(other_answer) = lock(&answered).take() else { break };
                let found = (answer, other_answer, state(&ours));
                let context = format!("{name}, cut at {cut} by {other_name}");
                if found.1 == Err(ErrorKind::Unavailable(Applied::No)) {
                    assert_eq!((found.0, found.2), alone, "{context}");
                } else if found.1 == Err(ErrorKind::Unavailable(Applied::Maybe)) {
                    // Some of a user's sessions have ended, and the locked one has not.
                    assert_eq!((other_name, &found.0), ("end all", &alone.0), "{context}");
                } else {
                    assert!(
                        found == first || found == last,
                        "{context}: {found:#?}\nnot {first:#?}\nnor {last:#?}"
                    );
                }
            }
        }
    }
}

type Answer = Result<String, ErrorKind>;

fn in_turn(folder: &Folder, one: Call, other: Call) -> (Answer, Answer, String) {
    begin(folder);
    let one = one(folder).map_err(|error| error.kind());
    let other = other(folder).map_err(|error| error.kind());
    (one, other, state(folder))
}

/// Everything as it was prepared.
fn begin(folder: &Folder) {
    for number in 1..=4 {
        folder.delete(&key(number)).unwrap();
    }
    clear(folder).unwrap();
    prepare(folder);
}

fn clear(folder: &Folder) -> Result<()> {
    ["ann", "bob"].iter().try_for_each(|name| folder.clear_markers_of(&folder.layout.subject(&subject(name))))
}

fn shown(answer: Result<impl std::fmt::Debug>) -> Result<String> {
    answer.map(|answer| format!("{answer:?}"))
}

/// Every session, and every user's.
fn state(folder: &Folder) -> String {
    let records = folder.page(None, 100).unwrap().items;
    let lists = ["ann", "bob"].map(|name| listed(folder, name).unwrap());
    let leases: Vec<_> = (1..=4).map(|number| folder.may_be_free(&key(number)).unwrap()).collect();
    format!("{records:?} {lists:?} {leases:?}")
}

#[test]
fn the_index_never_loses_a_session_whose_user_comes_and_goes() {
    let (place, _folder) = fresh();
    thread::scope(|scope| {
        let writer = |number: u8| {
            let folder = another(place.path());
            for round in 0..150 {
                folder.create(&key(number), &of("ann", record(2 * round + 1, 1_000))).unwrap();
                assert!(listed(&folder, "ann").unwrap().iter().any(|entry| entry.key == key(number)));
                folder.replace(&key(number), &record(2 * round + 2, 1_000), rev(2 * round + 1)).unwrap();
                let back = of("ann", record(2 * round + 3, 1_000));
                folder.replace(&key(number), &back, rev(2 * round + 2)).unwrap();
                assert!(listed(&folder, "ann").unwrap().iter().any(|entry| entry.key == key(number)));
                assert!(folder.delete(&key(number)).unwrap());
            }
        };
        let writers = [1, 2, 3].map(|number| scope.spawn(move || writer(number)));
        let folder = another(place.path());
        while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
            folder.clear_markers_of(&folder.layout.subject(&subject("ann"))).unwrap();
        }
    });
}

#[test]
fn of_many_replaces_at_once_one_of_each_revision_wins() {
    let (place, folder) = fresh();
    folder.create(&key(1), &record(0, 1_000)).unwrap();
    let won: u64 = thread::scope(|scope| {
        let writers = [1, 2, 3, 4].map(|writer| {
            let folder = another(place.path());
            scope.spawn(move || {
                let mut won = 0;
                for _ in 0..200 {
                    let stored = folder.load(&key(1)).unwrap().unwrap();
                    let count: u64 = stored.revision.get() >> 8;
                    let next = record((count + 1) << 8 | writer, 1_000);
                    match folder.replace(&key(1), &next, stored.revision) {
                        Ok(()) => won += 1,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
                    }
                }
                won
            })
        });
        writers.map(|writer| writer.join().unwrap()).iter().sum()
    });
    assert_eq!(folder.load(&key(1)).unwrap().unwrap().revision.get() >> 8, won);
}
