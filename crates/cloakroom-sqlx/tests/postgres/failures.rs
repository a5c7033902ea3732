//! What callers are told when something fails.

use std::time::Duration;

use cloakroom_sqlx::{OpenError, PostgresStore};
use cloakroom_store::ErrorKind::Unavailable;
use cloakroom_store::{Acquired, Applied, Error, Leases, Record, Store, Timestamp};
use cloakroom_test_services::server::Postgres;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::{claim, fresh_key, fresh_table, record, until};
use crate::{fresh, number, run, url};

#[tokio::test]
async fn a_server_that_is_not_there_is_one_line_without_the_password() {
    let refused = PostgresStore::connect("postgres://ann:secret@127.0.0.1:1/x").await.unwrap_err();
    assert!(matches!(refused, OpenError::Connect { .. }));
    for text in [refused.to_string(), format!("{refused:?}")] {
        assert!(!text.contains("secret") && !text.contains('\n'), "{text}");
        assert!(text.contains("127.0.0.1:1") && text.contains("refused"), "{text}");
    }
    let refused = PostgresStore::connect("postgres://ann:secret@127.0.0.1:port/x").await.unwrap_err();
    assert!(matches!(refused, OpenError::InvalidUrl { .. }));
    assert!(!format!("{refused} {refused:?}").contains("secret"), "{refused}");
}

#[tokio::test]
async fn after_a_restart_of_the_server_reads_find_no_broken_connection() {
    let mut server = Postgres::start();
    let store = PostgresStore::connect(server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    for kill in [true, false] {
        if kill {
            server.kill()
        } else {
            server.stop()
        }
        assert_eq!(store.load(&key).await.unwrap_err().kind(), Unavailable(Applied::No));
        let refused = store.create(&fresh_key(), &record(1, 9)).await.unwrap_err();
        assert_eq!(refused.kind(), Unavailable(Applied::No), "there is nothing to send it to");
        server.start_again();
        assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));

        // A connection from before the restart, and nobody who calls in between.
        if kill {
            server.kill()
        } else {
            server.stop()
        }
        server.start_again();
        assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));
        store.create(&fresh_key(), &record(1, 9)).await.unwrap();
    }
}

/// Whether it was given back in the last moments before a crash nobody knows.
#[tokio::test]
async fn a_lease_from_before_a_restart_of_the_server_is_taken_over_at_once() {
    let mut server = Postgres::start();
    let store = PostgresStore::connect(server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    assert!(matches!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(_)));
    // A save, which syncs the lease with it.
    store.create(&fresh_key(), &record(1, 9)).await.unwrap();
    assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Busy);
    server.kill();
    server.start_again();
    // By a store whose connections are not those of before the restart.
    let store = PostgresStore::connect(server.url()).await.unwrap();
    let taken_over = Record { revision: claim(2).takeover, ..record(1, 9) };
    assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Held(taken_over));
    assert_eq!(store.acquire(&key, &claim(3)).await.unwrap(), Acquired::Busy);
    assert!(!store.renew(&key, &claim(1)).await.unwrap());
}

/// In a pool that does not look after its connections, so that nothing else finds the broken one.
#[tokio::test]
async fn a_write_is_sent_on_no_connection_of_a_pool_that_is_broken_already() {
    let (_, table) = fresh().await;
    let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
    let pool = pool.connect(url()).await.unwrap();
    let store = PostgresStore::builder().table(&table).pool(pool.clone()).unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    // The pool looks whether a connection that is given back is still there.
    until("the pool has it back", async || pool.num_idle() == 1).await;
    let connection = format!("FROM pg_stat_activity WHERE query LIKE 'INSERT%{table}%'");
    run(&format!("SELECT pg_terminate_backend(pid) {connection}")).await;
    until("the connection is gone", async || number(&format!("SELECT count(*) {connection}")).await == 0)
        .await;
    store.replace(&key, &record(2, 9), record(1, 9).revision).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), Some(record(2, 9)));
}

#[tokio::test]
async fn a_write_whose_connection_breaks_may_have_been_applied_and_is_not_sent_again() {
    let (_, table) = fresh().await;
    let builder = PostgresStore::builder().table(&table).deadline(Duration::from_secs(60));
    let pool = PgPoolOptions::new().connect(url()).await.unwrap();
    for store in [builder.connect(url()).await.unwrap(), builder.pool(pool).unwrap()] {
        let key = fresh_key();
        store.create(&key, &record(1, 9)).await.unwrap();
        let mut other = PgConnection::connect(url()).await.unwrap();
        other.execute(AssertSqlSafe(format!("BEGIN; SELECT 1 FROM {table} FOR UPDATE"))).await.unwrap();
        let waits =
            format!("FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE%{table}%'");
        let cut = async {
            until("the write waits for the row", async || {
                number(&format!("SELECT count(pg_terminate_backend(pid)) {waits}")).await == 1
            })
            .await;
        };
        let new = record(2, 9);
        let (replaced, ()) = tokio::join!(store.replace(&key, &new, record(1, 9).revision), cut);
        assert_eq!(replaced.unwrap_err().kind(), Unavailable(Applied::Maybe));
        other.execute("ROLLBACK").await.unwrap();
        assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));
    }
}

#[tokio::test]
async fn a_write_that_is_not_answered_in_time_may_have_been_applied() {
    let (patient, table) = fresh().await;
    let key = fresh_key();
    patient.create(&key, &record(1, 9)).await.unwrap();
    let mut other = PgConnection::connect(url()).await.unwrap();
    other.execute(AssertSqlSafe(format!("BEGIN; SELECT 1 FROM {table} FOR UPDATE"))).await.unwrap();
    // Our own connections have limits, and the server would answer in time.
    let pool = PgPoolOptions::new().max_connections(1).connect(url()).await.unwrap();
    let builder = PostgresStore::builder().table(&table).deadline(Duration::from_secs(1));
    let store = builder.pool(pool).unwrap();
    let late = store.replace(&key, &record(2, 9), record(1, 9).revision).await.unwrap_err();
    assert_eq!(late.kind(), Unavailable(Applied::Maybe));
    assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)), "its only connection is free again");

    // Waiting for the connection counts, and nothing has been sent then.
    let (slow, next) = tokio::join!(
        store.touch(&key, Timestamp::from_millis(1), Timestamp::from_millis(99)),
        store.delete(&key),
    );
    assert_eq!(slow.unwrap_err().kind(), Unavailable(Applied::Maybe));
    assert_eq!(next.unwrap_err().kind(), Unavailable(Applied::No));
    other.execute("ROLLBACK").await.unwrap();
}

/// Otherwise a row that somebody holds for long would cost the server a connection for each call that gave up.
#[tokio::test]
async fn the_server_works_on_no_more_calls_than_there_are_connections() {
    let (patient, table) = fresh().await;
    let key = fresh_key();
    patient.create(&key, &record(1, 9)).await.unwrap();
    let mut other = PgConnection::connect(url()).await.unwrap();
    other.execute(AssertSqlSafe(format!("BEGIN; SELECT 1 FROM {table} FOR UPDATE"))).await.unwrap();
    let builder = PostgresStore::builder().table(&table).max_connections(2);
    let store = builder.deadline(Duration::from_secs(1)).connect(url()).await.unwrap();
    let busy = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'UPDATE%{table}%'"
    );
    let touches = async {
        for _ in 0..3 {
            let touch = || store.touch(&key, Timestamp::from_millis(1), Timestamp::from_millis(99));
            let (one, other) = tokio::join!(touch(), touch());
            for refused in [one, other] {
                assert_eq!(
                    refused.unwrap_err().kind(),
                    Unavailable(Applied::No),
                    "known before the deadline"
                );
            }
            // What has been answered may still be listed for a moment.
            until("the server works on nothing", async || number(&busy).await == 0).await;
        }
    };
    touches.await;
    other.execute("ROLLBACK").await.unwrap();
    assert!(store.touch(&key, Timestamp::from_millis(1), Timestamp::from_millis(99)).await.unwrap());
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let (_, table) = fresh().await;
    run(&format!(
        "CREATE FUNCTION slow_{table}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'; \
         CREATE TRIGGER slow BEFORE INSERT ON {table} EXECUTE FUNCTION slow_{table}()"
    ))
    .await;
    let builder = PostgresStore::builder().table(&table).deadline(Duration::from_secs(2));
    let store = builder.connect(url()).await.unwrap();
    let refused = store.create(&fresh_key(), &record(1, 9)).await.unwrap_err();
    assert_eq!(refused.kind(), Unavailable(Applied::No), "{refused:?}");
}

#[tokio::test]
async fn what_the_database_refuses_is_not_applied() {
    let (_, table) = fresh().await;
    let key = fresh_key();
    let refused: [(&str, Error); 2] = [
        ("default_transaction_read_only=on", create_with("default_transaction_read_only=on", &table).await),
        ("lock_timeout=50", {
            let (store, _) = (connect_with("lock_timeout=50", &table).await, ());
            store.create(&key, &record(1, 9)).await.unwrap();
            let mut other = PgConnection::connect(url()).await.unwrap();
            other.execute(AssertSqlSafe(format!("BEGIN; SELECT 1 FROM {table} FOR UPDATE"))).await.unwrap();
            store.delete(&key).await.unwrap_err()
        }),
    ];
    for (option, error) in refused {
        assert_eq!(error.kind(), Unavailable(Applied::No), "{option}: {error:?}");
    }
}

async fn create_with(option: &str, table: &str) -> Error {
    connect_with(option, table).await.create(&fresh_key(), &record(1, 9)).await.unwrap_err()
}

async fn connect_with(option: &str, table: &str) -> PostgresStore {
    let url = format!("{}?options[{}", url(), option.replacen('=', "]=", 1));
    PostgresStore::builder().table(table).connect(&url).await.unwrap()
}

#[tokio::test]
async fn four_who_purge_at_once_count_each_record_once() {
    let (store, table) = fresh().await;
    let insert = format!(
        "INSERT INTO {table} (key, revision, expires_at, data) \
         SELECT sha256(int4send(n)), 1, n, '' FROM generate_series(1, 5000) n"
    );
    run(&insert).await;
    let cutoff = Timestamp::from_millis(4_001);
    let purge = || async {
        let mut removed = 0;
        for _ in 0..10 {
            removed += store.purge(cutoff, 700).await.unwrap();
        }
        removed
    };
    let (a, b, c, d) = tokio::join!(purge(), purge(), purge(), purge());
    assert_eq!(a + b + c + d, 4_000);
    assert_eq!(cloakroom_store::Scan::count(&store).await.unwrap(), 1_000);
}

#[tokio::test]
async fn a_count_goes_on_after_its_first_step() {
    let (store, table) = fresh().await;
    let insert = format!(
        "INSERT INTO {table} (key, revision, expires_at, data) \
         SELECT sha256(int4send(n)), 1, n, '' FROM generate_series(1, 20001) n"
    );
    run(&insert).await;
    assert_eq!(cloakroom_store::Scan::count(&store).await.unwrap(), 20_001);
}

#[tokio::test]
async fn a_purge_passes_over_what_others_are_changing() {
    let (store, table) = fresh().await;
    let (free, locked) = (fresh_key(), fresh_key());
    store.create(&free, &record(1, 9)).await.unwrap();
    store.create(&locked, &record(2, 8)).await.unwrap();
    let mut other = PgConnection::connect(url()).await.unwrap();
    let lock = format!("BEGIN; UPDATE {table} SET expires_at = 99 WHERE revision = 2");
    other.execute(AssertSqlSafe(lock)).await.unwrap();
    assert_eq!(store.purge(Timestamp::from_millis(10), 10).await.unwrap(), 1);
    other.execute("COMMIT").await.unwrap();
    assert_eq!(store.load(&free).await.unwrap(), None);
    assert_eq!(store.load(&locked).await.unwrap(), Some(record(2, 99)));
}

#[tokio::test]
async fn an_error_shows_nothing_of_what_is_stored() {
    let (store, table) = fresh().await;
    run(&format!("ALTER TABLE {table} ADD CHECK (expires_at < 100)")).await;
    let key = fresh_key();
    let error = store.create(&key, &record(1, 100)).await.unwrap_err();
    let text = format!("{error:?} {error}");
    assert!(text.contains("23514") && !text.contains("data") && !text.contains("0707"), "{text}");
    let table = fresh_table();
    assert!(!format!("{:?}", PostgresStore::builder().table(&table)).contains("url"));
}
