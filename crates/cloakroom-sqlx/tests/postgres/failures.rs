//! What is particular to PostgreSQL when something fails.

use std::time::Duration;

use cloakroom_sqlx::{OpenErrorKind, PostgresStore};
use cloakroom_store::ErrorKind::Unavailable;
use cloakroom_store::{Acquired, Applied, Leases, Store};
use cloakroom_test_services::server::Postgres;
use sqlx::{AssertSqlSafe, Executor};

use crate::shared::{Table, at, claim, fresh, fresh_key, record};

/// Its release in the last moments before a crash may have been lost.
#[tokio::test]
async fn a_lease_from_before_a_restart_of_the_server_is_taken_over_at_once() {
    let mut server = Postgres::start();
    let store = PostgresStore::connect(server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9), at(0)).await.unwrap();
    assert!(matches!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(_)));
    // A save, which syncs the lease with it.
    store.create(&fresh_key(), &record(1, 9), at(0)).await.unwrap();
    assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Busy(None));
    server.kill();
    server.start_again();
    // By a store without connections from before the restart.
    let store = PostgresStore::connect(server.url()).await.unwrap();
    let taken_over = record(claim(2).takeover.get(), 9);
    assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Held(taken_over));
    assert_eq!(store.acquire(&key, &claim(3)).await.unwrap(), Acquired::Busy(None));
    assert!(!store.renew(&key, &claim(1)).await.unwrap());
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let (_, table) = fresh().await;
    let trigger = "CREATE FUNCTION slow_{table}() RETURNS trigger LANGUAGE plpgsql \
            AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'; \
        CREATE TRIGGER slow BEFORE INSERT ON {table} EXECUTE FUNCTION slow_{table}()";
    table.run(trigger).await;
    let builder = table.builder().deadline(Duration::from_secs(2));
    let store = table.database.open(builder).await.unwrap();
    let refused = store.create(&fresh_key(), &record(1, 9), at(0)).await.unwrap_err();
    assert_eq!(refused.kind(), Unavailable(Applied::No), "{refused:?}");
}

#[tokio::test]
async fn a_purge_skips_rows_that_others_are_changing() {
    let (store, table) = fresh().await;
    let (free, locked) = (fresh_key(), fresh_key());
    store.create(&free, &record(1, 9), at(0)).await.unwrap();
    store.create(&locked, &record(2, 8), at(0)).await.unwrap();
    let mut other = table.connection().await;
    let lock = format!("BEGIN; UPDATE {table} SET expires_at = 99 WHERE revision = 2");
    other.execute(AssertSqlSafe(lock)).await.unwrap();
    assert_eq!(store.purge(at(10), 10).await.unwrap(), 1);
    other.execute("COMMIT").await.unwrap();
    assert_eq!(store.load(&free).await.unwrap(), None);
    assert_eq!(store.load(&locked).await.unwrap(), Some(record(2, 99)));
}

#[tokio::test]
async fn a_missing_index_is_refused_although_something_has_its_name() {
    for (column, columns) in [("expires_at", "expires_at"), ("subject", "subject, key")] {
        let table = Table::named();
        table.run(&format!("CREATE TABLE {{table}}_{column} (key text)")).await;
        let store = table.open().await;
        for _ in 0..2 {
            let refused = store.migrate().await.unwrap_err();
            assert_eq!(refused.kind(), OpenErrorKind::Refused);
            assert!(refused.to_string().contains(&format!("no index over ({columns})")), "{refused}");
        }
        let useless = [
            format!("({columns}) WHERE {column} IS NULL"),
            "(revision, subject, key)".into(),
            "(subject)".into(),
        ];
        for useless in useless {
            table.run(&format!("CREATE INDEX ON {{table}} {useless}")).await;
            assert!(store.migrate().await.is_err(), "{useless}");
        }
        table.run(&format!("CREATE INDEX ON {{table}} ({columns})")).await;
        store.migrate().await.unwrap();
        table.run(&format!("DROP TABLE {{table}}, {{table}}_{column}")).await;
    }
}
