//! The file.

use std::time::Duration;

use cloakroom_sqlx::{OpenErrorKind, SqliteStore};
use cloakroom_store::Store;
use sqlx::Executor;

use crate::database::Database;
use crate::shared::{Table, at, fresh, fresh_key, record, text};

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let (store, table) = fresh().await;
    store.create(&fresh_key(), &record(1, 1), at(0)).await.unwrap();
    let files = table.database.folder.path().read_dir().unwrap();
    let files: Vec<_> = files.map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "the file, its log and the log's index: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_store_in_memory_is_refused_with_the_name_of_one() {
    for path in [":memory:", ""] {
        let refused = SqliteStore::open(path).await.unwrap_err();
        assert_eq!(refused.kind(), OpenErrorKind::Config);
        assert!(refused.to_string().contains("MemoryStore"), "{refused}");
    }
}

/// The URI could name another file, and turn locks off.
#[tokio::test]
async fn a_path_that_sqlite_would_read_as_a_uri_is_refused_and_creates_no_file() {
    let Database { path, folder } = Database::new();
    let uri = format!("file:{}?nolock=1", path.display());
    for path in [uri.as_str(), "file:sessions.db"] {
        let refused = SqliteStore::open(path).await.unwrap_err();
        assert_eq!(refused.kind(), OpenErrorKind::Config, "{refused:?}");
        assert!(refused.to_string().contains("file:"), "{refused}");
        assert!(!std::path::Path::new(path).exists());
    }
    assert!(folder.path().read_dir().unwrap().next().is_none(), "nothing was created");
    // With a folder before it, it is a name like any other.
    SqliteStore::open(folder.path().join("file:sessions.db")).await.unwrap();
    assert!(folder.path().join("file:sessions.db").exists());
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_one_line_with_its_path_and_cause() {
    let Database { path, folder } = Database::new();
    std::fs::write(&path, b"this is a text, and a long one, so that it is not mistaken for anything else\n")
        .unwrap();
    let cases = [
        (path.clone(), "not a database"),
        (folder.path().join("none/sessions.db"), "No such file"),
        (folder.path().to_owned(), "unable to open"),
    ];
    for (path, cause) in cases {
        let refused = SqliteStore::open(&path).await.unwrap_err();
        assert_eq!(refused.kind(), OpenErrorKind::Refused);
        let text = text(&refused);
        assert!(
            text.contains(cause) && text.contains(path.to_str().unwrap()) && !text.contains('\n'),
            "{text}"
        );
    }
    assert!(std::fs::read(path).unwrap().starts_with(b"this is a text"));
}

#[tokio::test]
async fn opening_waits_for_another_program_that_writes_to_the_file() {
    let table = Table::named();
    let mut other = table.connection().await;
    other
        .execute("CREATE TABLE theirs (id); BEGIN IMMEDIATE; INSERT INTO theirs (id) VALUES (1)")
        .await
        .unwrap();
    let end = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        other.execute("COMMIT").await.unwrap();
    };
    let (store, ()) = tokio::join!(SqliteStore::open(&table.database.path), end);
    store.unwrap().migrate().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_in_use_for_long_is_unavailable() {
    let table = Table::named();
    let mut other = table.connection().await;
    other.execute("CREATE TABLE theirs (id); BEGIN EXCLUSIVE").await.unwrap();
    let hasty = table.builder().deadline(Duration::from_millis(100));
    let busy = table.database.open(hasty).await.unwrap_err();
    assert_eq!(busy.kind(), OpenErrorKind::Unavailable, "{busy:?}");
    other.execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_table_in_a_schema_is_refused_before_the_file_is_created() {
    let Database { path, folder } = Database::new();
    let refused = SqliteStore::builder().table("main.sessions").open(&path).await.unwrap_err();
    assert_eq!(refused.kind(), OpenErrorKind::Config, "{refused:?}");
    assert!(folder.path().read_dir().unwrap().next().is_none(), "nothing was created");
}

/// SQLite does not tell upper from lower case in names.
#[tokio::test]
async fn a_table_of_something_else_is_recognized_in_upper_case_too() {
    let table = Table::named();
    table.run("CREATE TABLE Sessions (id)").await;
    let store = SqliteStore::builder().table("sessions").open(&table.database.path).await.unwrap();
    assert_eq!(store.migrate().await.unwrap_err().kind(), OpenErrorKind::Refused);
    table.run("INSERT INTO Sessions (id) VALUES (1)").await;
}
