//! Which folders are opened, what is made of them, and what is left alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use super::super::FileStore;
use super::super::disk::{Disk, Durability};
use super::super::folder::Folder;
use super::super::open::Problem;
use super::{another, at, claim, fresh, held, key, names_in, of, place, record, rev, subject};

fn opened(path: &Path) -> Result<Folder, Problem> {
    FileStore::builder().open_on(path, Disk::new(Durability::Relaxed))
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    for foreign in ["notes.txt", "Session", "cloakroom.bak"] {
        let place = place();
        fs::write(place.path().join(foreign), "mine").unwrap();
        let problem = opened(place.path()).unwrap_err();
        assert!(matches!(problem, Problem::Foreign), "{problem:?}");
        assert_eq!(names_in(place.path()), [foreign]);
        let error = FileStore::open(place.path()).unwrap_err().to_string();
        assert!(error.contains("is no folder of sessions, and has been left as it is"), "{error}");
    }
    let coats = place();
    fs::write(coats.path().join("cloakroom"), "a list of coats").unwrap();
    assert!(matches!(opened(coats.path()).unwrap_err(), Problem::Foreign));
    assert_eq!(names_in(coats.path()), ["cloakroom"]);

    // Sessions, but not ours.
    let others = place();
    fs::create_dir(others.path().join("sessions")).unwrap();
    fs::write(others.path().join("sessions/sess_1f3c"), "theirs").unwrap();
    assert!(matches!(opened(others.path()).unwrap_err(), Problem::Foreign));
    assert_eq!(names_in(others.path()), ["sessions"]);
    assert_eq!(names_in(&others.path().join("sessions")), ["sess_1f3c"]);
}

#[test]
fn an_empty_folder_and_a_fresh_disk_become_a_store() {
    let place = place();
    fs::create_dir(place.path().join("lost+found")).unwrap();
    opened(place.path()).unwrap();
    assert!(place.path().join("lost+found").is_dir());
}

#[test]
fn an_unknown_version_is_refused_and_says_so() {
    let (place, folder) = fresh();
    fs::write(folder.layout.marker(), "cloakroom sessions, version 2\n").unwrap();
    drop(folder);
    let error = FileStore::open(place.path().join("s")).unwrap_err().to_string();
    assert!(
        error.contains("it was written by a version of Cloakroom that this one does not know"),
        "{error}"
    );
}

#[test]
fn a_folder_that_every_user_may_write_into_is_refused() {
    let place = place();
    fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
    let problem = opened(place.path()).unwrap_err();
    assert!(matches!(problem, Problem::Unprotected), "{problem:?}");
    assert_eq!(names_in(place.path()), [""; 0]);
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    opened(place.path()).unwrap();
}

#[test]
fn a_folder_that_others_may_change_a_part_of_is_refused() {
    for part in ["sessions", "subjects", "leases", "locks", "instances", "drafts"] {
        let (place, folder) = fresh();
        let part = folder.layout.root.join(part);
        drop(folder);
        fs::set_permissions(&part, Permissions::from_mode(0o770)).unwrap();
        let problem = opened(&place.path().join("s")).unwrap_err();
        assert!(matches!(problem, Problem::Theirs), "{problem:?}");
        fs::set_permissions(&part, Permissions::from_mode(0o700)).unwrap();
        let aside = place.path().join("aside");
        fs::rename(&part, &aside).unwrap();
        std::os::unix::fs::symlink(&aside, &part).unwrap();
        let problem = opened(&place.path().join("s")).unwrap_err();
        assert!(matches!(problem, Problem::Theirs), "{problem:?}");
    }
}

/// Some ways to copy a folder leave out what is empty in it.
#[test]
fn folders_that_are_missing_are_made_again() {
    let (place, folder) = fresh();
    folder.create(&key(1), &record(1, 100)).unwrap();
    let root = folder.layout.root.clone();
    drop(folder);
    for gone in ["sessions/07", "subjects/a1", "leases", "drafts"] {
        fs::remove_dir(root.join(gone)).unwrap();
    }
    let folder = another(place.path());
    folder.create(&key(7), &of("ann", record(1, 100))).unwrap();
    assert_eq!(folder.count().unwrap(), 2);
}

#[test]
fn a_folder_is_made_in_one_that_exists_only() {
    let place = place();
    assert!(matches!(opened(&place.path().join("a/b")).unwrap_err(), Problem::NoParent));
    assert_eq!(names_in(place.path()), [""; 0]);
}

#[test]
fn several_that_make_one_folder_at_once_share_it() {
    for _ in 0..30 {
        let place = place();
        let start = Barrier::new(3);
        let folders = thread::scope(|scope| {
            let (start, place) = (&start, place.path());
            let make = move |number| {
                start.wait();
                let folder = another(place);
                folder.create(&key(number), &of("ann", record(1, 100))).map(|()| folder)
            };
            let makers = [0, 1, 2].map(|number| scope.spawn(move || make(number)));
            makers.map(|maker| maker.join().unwrap().unwrap())
        });
        for folder in folders {
            assert_eq!(folder.list(&subject("ann")).unwrap().len(), 3);
        }
        let root = place.path().join("s");
        assert_eq!(
            names_in(&root),
            ["cloakroom", "drafts", "instances", "leases", "locks", "sessions", "subjects"]
        );
        assert_eq!(names_in(&root.join("instances")), [""; 0]);
    }
}

/// Run by the next test in a process of its own: the mask belongs to the whole process.
#[test]
fn everything_that_is_made_belongs_to_its_owner_alone() {
    let (place, folder) = fresh();
    fill(&folder);
    let mut names = Vec::new();
    walk(&place.path().join("s"), &mut names);
    assert!(names.len() > 580, "{names:?}");
}

#[test]
fn everything_that_is_made_belongs_to_its_owner_alone_whatever_the_mask() {
    let this = std::env::current_exe().unwrap();
    for mask in ["000", "022", "077"] {
        let mut run = Command::new("sh");
        run.args(["-c", "umask $0; exec \"$@\"", mask]).arg(&this);
        run.args([
            "--exact",
            "stores::file::tests::opening::everything_that_is_made_belongs_to_its_owner_alone",
        ]);
        let output = run.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{mask}: {text}");
    }
}

/// At least one file of each kind.
fn fill(folder: &Folder) {
    folder.create(&key(1), &of("../../etc/ann", record(1, 1_000))).unwrap();
    folder.replace(&key(1), &of("b\u{fc}b\n", record(2, 1_000)), rev(1)).unwrap();
    held(folder.acquire(&key(1), &claim(7, 0, 70)).unwrap());
    let draft = folder.layout.drafts.join(folder.presence.draft_name());
    folder.disk.write_new(&draft, b"", std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(folder.touch(&key(1), at(0), at(2_000)).unwrap());
}

fn walk(folder: &Path, names: &mut Vec<String>) {
    assert_eq!(mode(folder), 0o700, "{}", folder.display());
    for name in names_in(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            walk(&path, names);
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        names.push(name);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn nothing_but_hexadecimal_names_is_below_the_folders() {
    let (_place, folder) = fresh();
    fill(&folder);
    let mut names = Vec::new();
    for inner in folder.layout.folders() {
        walk(inner, &mut names);
    }
    let is_hex = |part: &str| part.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    for name in &names {
        let (number, count) = name.split_once('.').unwrap_or((name, "0"));
        assert!(is_hex(number) && is_hex(count) && [2, 16, 64].contains(&number.len()), "{name}");
    }
    assert!(names.iter().any(|name| name.contains('.')), "a draft");
}
