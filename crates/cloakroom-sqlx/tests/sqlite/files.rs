//! The file and the table in it.

use std::time::Duration;

use cloakroom_sqlx::{OpenError, SqliteStore};
use cloakroom_store::{ErrorKind, Scan, Store};

use crate::support::{fresh_key, record};
use crate::{beside, fresh, path, run};

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let (store, _, folder) = fresh().await;
    store.create(&fresh_key(), &record(1, 1)).await.unwrap();
    let files: Vec<_> = folder.path().read_dir().unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "the file, its log and the log's index: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_store_in_memory_is_refused_with_the_name_of_one() {
    for path in [":memory:", ""] {
        let refused = SqliteStore::open(path).await.unwrap_err();
        assert!(matches!(refused, OpenError::InvalidUrl { .. }));
        assert!(refused.to_string().contains("MemoryStore"), "{refused}");
    }
}

/// It could name another file, and give up locks.
#[tokio::test]
async fn a_path_that_sqlite_would_read_as_a_uri_is_refused_and_makes_no_file() {
    let (path, folder) = path();
    let uri = format!("file:{}?nolock=1", path.display());
    for path in [uri.as_str(), "file:sessions.db"] {
        let refused = SqliteStore::open(path).await.unwrap_err();
        assert!(matches!(refused, OpenError::InvalidUrl { .. }), "{refused:?}");
        assert!(refused.to_string().contains("file:"), "{refused}");
        assert!(!std::path::Path::new(path).exists());
    }
    assert!(folder.path().read_dir().unwrap().next().is_none(), "nothing was made");
    // With a folder before it, it is a name like any other.
    SqliteStore::open(folder.path().join("file:sessions.db")).await.unwrap();
    assert!(folder.path().join("file:sessions.db").exists());
}

#[tokio::test]
async fn what_cannot_be_opened_is_one_line_with_its_path_and_cause() {
    let (path, folder) = path();
    std::fs::write(&path, b"this is a text, and a long one, so that it is not mistaken for anything else\n")
        .unwrap();
    let cases = [
        (path.clone(), "not a database"),
        (folder.path().join("none/sessions.db"), "No such file"),
        (folder.path().to_owned(), "unable to open"),
    ];
    for (path, cause) in cases {
        let refused = SqliteStore::open(&path).await.unwrap_err();
        assert!(matches!(refused, OpenError::Open { .. }), "{refused:?}");
        let text = refused.to_string();
        assert!(
            text.contains(cause) && text.contains(path.to_str().unwrap()) && !text.contains('\n'),
            "{text}"
        );
    }
    assert!(std::fs::read(path).unwrap().starts_with(b"this is a text"));
}

#[tokio::test]
async fn opening_waits_for_another_program_that_writes_to_the_file() {
    let (path, _folder) = path();
    let mut other = beside(&path).await;
    run(&mut other, "CREATE TABLE theirs (id); BEGIN IMMEDIATE; INSERT INTO theirs (id) VALUES (1)").await;
    let end = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        run(&mut other, "COMMIT").await;
    };
    let (store, ()) = tokio::join!(SqliteStore::open(&path), end);
    store.unwrap().migrate().await.unwrap();
}

#[tokio::test]
async fn names_that_are_none_and_schemas_are_refused() {
    let (path, folder) = path();
    for table in ["a b", "main.sessions"] {
        let refused = SqliteStore::builder().table(table).open(&path).await;
        assert!(matches!(refused, Err(OpenError::InvalidTable { .. })), "{refused:?}");
    }
    assert!(folder.path().read_dir().unwrap().next().is_none(), "nothing was made");
}

#[tokio::test]
async fn somebody_elses_table_is_refused_and_left_alone() {
    let (path, _folder) = path();
    run(&mut beside(&path).await, "CREATE TABLE Sessions (id)").await;
    let store = SqliteStore::builder().table("sessions").open(&path).await.unwrap();
    let refused = store.migrate().await;
    assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
    run(&mut beside(&path).await, "INSERT INTO Sessions (id) VALUES (1)").await;
}

#[tokio::test]
async fn a_table_of_a_later_version_is_refused_by_its_number() {
    let (path, _folder) = path();
    run(&mut beside(&path).await, "CREATE TABLE later (-- cloakroom sessions, version 7\n key)").await;
    let refused = SqliteStore::builder().table("later").open(&path).await.unwrap().migrate().await;
    assert!(matches!(refused, Err(OpenError::Version { found: 7, .. })), "{refused:?}");
}

#[tokio::test]
async fn two_tables_in_one_file_do_not_see_each_other() {
    let (one, path, _folder) = fresh().await;
    let other = SqliteStore::builder().table("other").open(&path).await.unwrap();
    let key = fresh_key();
    one.create(&key, &record(1, 1)).await.unwrap();
    assert_eq!(other.load(&key).await.unwrap_err().kind(), no_table(&other).await);
    other.migrate().await.unwrap();
    assert_eq!(other.load(&key).await.unwrap(), None);
    other.create(&key, &record(2, 1)).await.unwrap();
    assert!(one.delete(&key).await.unwrap());
    assert_eq!(Scan::count(&other).await.unwrap(), 1);
}

/// What a read answers without a table; a write says how it is made.
async fn no_table(store: &SqliteStore) -> ErrorKind {
    let error = store.create(&fresh_key(), &record(1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(format!("{error:?}").contains("migrate()"), "{error:?}");
    ErrorKind::Unavailable(cloakroom_store::Applied::No)
}
