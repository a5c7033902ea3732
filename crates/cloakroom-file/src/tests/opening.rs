//! Which folders are opened, what is made of them, and what is left alone.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use cloakroom_store::OpenErrorKind;

use super::{another, at, claim, fresh, held, key, listed, names_in, of, opened, place, record, rev};
use crate::folder::Folder;
use crate::open::FolderProblem;
use crate::store::FileStore;

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    for foreign in ["notes.txt", "Session", "cloakroom.bak"] {
        let place = place();
        fs::write(place.path().join(foreign), "mine").unwrap();
        let problem = opened(place.path()).unwrap_err();
        assert!(matches!(problem, FolderProblem::Foreign), "{problem:?}");
        assert_eq!(names_in(place.path()), [foreign]);
        let error = FileStore::open(place.path()).unwrap_err();
        assert_eq!(error.kind(), OpenErrorKind::Config);
        assert!(
            error.to_string().contains("is no folder of sessions, and has been left as it is"),
            "{error}"
        );
    }
    let coats = place();
    fs::write(coats.path().join("cloakroom"), "a list of coats").unwrap();
    assert!(matches!(opened(coats.path()).unwrap_err(), FolderProblem::Foreign));
    assert_eq!(names_in(coats.path()), ["cloakroom"]);

    // Sessions, but not ours.
    let others = place();
    fs::create_dir(others.path().join("sessions")).unwrap();
    fs::write(others.path().join("sessions/sess_1f3c"), "theirs").unwrap();
    assert!(matches!(opened(others.path()).unwrap_err(), FolderProblem::Foreign));
    assert_eq!(names_in(others.path()), ["sessions"]);
    assert_eq!(names_in(&others.path().join("sessions")), ["sess_1f3c"]);
    let file = place();
    fs::write(file.path().join("sessions"), "theirs").unwrap();
    assert!(matches!(opened(file.path()).unwrap_err(), FolderProblem::Foreign));
    assert!(matches!(opened(&file.path().join("sessions")).unwrap_err(), FolderProblem::NoFolder));
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
    let error = FileStore::open(place.path().join("s")).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Refused);
    assert!(error.to_string().contains("it was written by a later version of Cloakroom"), "{error}");
}

#[test]
fn a_folder_that_every_user_may_write_into_is_refused() {
    let place = place();
    fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
    let problem = opened(place.path()).unwrap_err();
    assert!(matches!(problem, FolderProblem::Unprotected), "{problem:?}");
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
        assert!(matches!(problem, FolderProblem::Theirs), "{problem:?}");
        fs::set_permissions(&part, Permissions::from_mode(0o700)).unwrap();
        let aside = place.path().join("aside");
        fs::rename(&part, &aside).unwrap();
        std::os::unix::fs::symlink(&aside, &part).unwrap();
        let problem = opened(&place.path().join("s")).unwrap_err();
        assert!(matches!(problem, FolderProblem::Theirs), "{problem:?}");
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
    assert_eq!(folder.count(at(0)).unwrap(), 2);
}

#[test]
fn a_folder_is_made_in_one_that_exists_only() {
    let place = place();
    assert!(matches!(opened(&place.path().join("a/b")).unwrap_err(), FolderProblem::NoParent));
    let error = FileStore::open(place.path().join("a/b")).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Config);
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
            assert_eq!(listed(&folder, "ann").unwrap().len(), 3);
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
        run.args(["--exact", "tests::opening::everything_that_is_made_belongs_to_its_owner_alone"]);
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

#[test]
fn what_may_pass_is_told_from_what_somebody_has_to_change() {
    let path = Path::new("/srv/sessions");
    let failed = |kind: io::ErrorKind| FolderProblem::Failed(kind.into()).at(path);
    for (error, kind, hint) in [
        (failed(io::ErrorKind::PermissionDenied), OpenErrorKind::Refused, "give it the rights"),
        (failed(io::ErrorKind::ReadOnlyFilesystem), OpenErrorKind::Refused, "mount the file system writable"),
        (failed(io::ErrorKind::StorageFull), OpenErrorKind::Unavailable, "cannot be read or written now"),
        (FolderProblem::Network("nfs4".to_owned()).at(path), OpenErrorKind::Config, "choose a local disk"),
        (FolderProblem::Unprotected.at(path), OpenErrorKind::Refused, "chmod o-w"),
        (FolderProblem::Theirs.at(path), OpenErrorKind::Refused, "run as its owner"),
    ] {
        assert_eq!(error.kind(), kind, "{error:?}");
        let text = error.to_string();
        assert!(text.contains("/srv/sessions") && text.contains(hint), "{text}");
    }
}
