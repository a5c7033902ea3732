//! What cannot be seen from outside: plans, settings, versions.

use cloakroom_store::{Key, OpenErrorKind, Record, Revision, Store, Timestamp};
use sqlx::{AssertSqlSafe, Row, query};
use tempfile::tempdir;

use super::{SqliteStore, Statement, check_version};

#[tokio::test]
async fn the_bundled_sqlite_does_not_lose_acknowledged_changes() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("sessions.db")).await.unwrap();
    check_version(&answer(&store, "SELECT sqlite_version()").await).unwrap();
    for affected in ["", "3.7.0", "3.50.4", "3.51", "3.51.2"] {
        assert_eq!(check_version(affected).unwrap_err().kind(), OpenErrorKind::Refused, "{affected}");
    }
    for mended in ["3.51.3", "3.52.0", "4.0.0"] {
        check_version(mended).unwrap();
    }
}

#[tokio::test]
async fn a_change_is_synced_unless_durability_is_relaxed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(answer(&store, "PRAGMA journal_mode").await, "wal");
    assert_eq!(answer(&store, "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await, "2");
    assert_eq!(answer(&store, "SELECT CAST(timeout AS TEXT) FROM pragma_busy_timeout").await, "1000");
    let store = SqliteStore::builder().danger_relaxed_durability().open(&path).await.unwrap();
    assert_eq!(answer(&store, "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await, "1");
}

#[tokio::test]
async fn every_statement_uses_an_index() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("sessions.db")).await.unwrap();
    store.migrate().await.unwrap();
    for n in 0..100 {
        let record = Record::new(Revision::new(1), Timestamp::from_millis(n), []);
        store.create(&Key::new([n as u8; 32]), &record, Timestamp::from_millis(0)).await.unwrap();
    }
    let statements = &store.statements;
    let cases = [
        (&statements.purge, "cloakroom_sessions_expires_at"),
        (&statements.count, "cloakroom_sessions_expires_at"),
        (&statements.enroll, "cloakroom_sessions_subject"),
        (&statements.list, "cloakroom_sessions_subject"),
        (&statements.end_all, "cloakroom_sessions_subject"),
        (&statements.page, "sqlite_autoindex"),
        (&statements.acquire, "sqlite_autoindex"),
        (&statements.seen, "sqlite_autoindex"),
        (&statements.replace, "sqlite_autoindex"),
    ];
    for (statement, index) in cases {
        let explain = format!("EXPLAIN QUERY PLAN {}", statement.as_str());
        let rows = store.writer.read(|| query(AssertSqlSafe(explain.clone()))).await.unwrap();
        let plan = rows.iter().map(|row| row.get(3)).collect::<Vec<&str>>().join("\n");
        assert!(plan.contains(index) && !plan.contains("SCAN cloakroom"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}

async fn answer(store: &SqliteStore, statement: &'static str) -> String {
    let ask = || -> Statement<sqlx::Sqlite> { query(statement) };
    let rows = store.writer.read(ask).await.unwrap();
    rows[0].get(0)
}
