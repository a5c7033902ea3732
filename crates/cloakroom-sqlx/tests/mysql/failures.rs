//! What callers are told when something fails.

use std::time::Duration;

use cloakroom_sqlx::{MySqlStore, OpenError};
use cloakroom_store::ErrorKind::{TooLarge, Unavailable};
use cloakroom_store::{Applied, ErrorKind, Record, Store, Timestamp};
use cloakroom_test_services::server::MariaDb;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

use crate::support::{fresh_key, fresh_table, record, until};
use crate::{fresh, number, run, url};

#[tokio::test]
async fn a_server_that_is_not_there_is_one_line_without_the_password() {
    let refused = MySqlStore::connect("mysql://ann:secret@127.0.0.1:1/x").await.unwrap_err();
    assert!(matches!(refused, OpenError::Connect { .. }));
    for text in [refused.to_string(), format!("{refused:?}")] {
        assert!(!text.contains("secret") && !text.contains('\n'), "{text}");
        assert!(text.contains("127.0.0.1:1") && text.contains("refused"), "{text}");
    }
    let refused = MySqlStore::connect("mysql://ann:secret@127.0.0.1:port/x").await.unwrap_err();
    assert!(matches!(refused, OpenError::InvalidUrl { .. }));
    assert!(!format!("{refused} {refused:?}").contains("secret"), "{refused}");
}

#[tokio::test]
async fn a_user_whom_the_server_does_not_let_in_is_told_so() {
    let url = url().replace("root@", "nobody:secret@");
    let refused = MySqlStore::connect(&url).await.unwrap_err().to_string();
    assert!(refused.contains("denied") && !refused.contains("secret"), "{refused}");
}

#[tokio::test]
async fn after_a_restart_of_the_server_reads_find_no_broken_connection() {
    let mut server = MariaDb::start();
    let store = MySqlStore::connect(server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    let end: [fn(&mut MariaDb); 2] = [|server| server.kill(), |server| server.stop()];
    for end in end {
        end(&mut server);
        assert_eq!(store.load(&key).await.unwrap_err().kind(), Unavailable(Applied::No));
        let refused = store.create(&fresh_key(), &record(1, 9)).await.unwrap_err();
        assert_eq!(refused.kind(), Unavailable(Applied::No), "there is nothing to send it to");
        server.start_again();
        assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));

        // A connection from before the restart, and nobody who calls in between.
        end(&mut server);
        server.start_again();
        assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));
        store.create(&fresh_key(), &record(1, 9)).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_fails_no_read() {
    for how in ["SET wait_timeout = 1", "KILL"] {
        let (store, table) = fresh().await;
        let key = fresh_key();
        store.create(&key, &record(1, 9)).await.unwrap();
        let pool = MySqlPoolOptions::new().max_connections(1).test_before_acquire(false).connect(url());
        let pool = pool.await.unwrap();
        let theirs = MySqlStore::builder().table(&table).pool(pool.clone()).unwrap();
        assert!(theirs.load(&key).await.unwrap().is_some());
        let id: i64 =
            sqlx::query_scalar("SELECT CAST(CONNECTION_ID() AS SIGNED)").fetch_one(&pool).await.unwrap();
        match how {
            "KILL" => run(&format!("KILL {id}")).await,
            set => pool.execute(set).await.map(drop).unwrap(),
        }
        until_closed(id).await;
        assert_eq!(theirs.load(&key).await.unwrap(), Some(record(1, 9)), "{how}");
    }
}

#[tokio::test]
async fn a_write_is_sent_on_no_connection_of_a_pool_that_is_broken_already() {
    let (_, table) = fresh().await;
    let pool = MySqlPoolOptions::new().max_connections(1).test_before_acquire(false).connect(url());
    let pool = pool.await.unwrap();
    let store = MySqlStore::builder().table(&table).pool(pool.clone()).unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    let id: i64 =
        sqlx::query_scalar("SELECT CAST(CONNECTION_ID() AS SIGNED)").fetch_one(&pool).await.unwrap();
    run(&format!("KILL {id}")).await;
    until_closed(id).await;
    store.replace(&key, &record(2, 9), record(1, 9).revision).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), Some(record(2, 9)));
}

#[tokio::test]
async fn a_write_whose_connection_breaks_may_have_been_applied_and_is_not_sent_again() {
    let (patient, table) = fresh().await;
    let builder = MySqlStore::builder().table(&table).deadline(Duration::from_secs(60));
    let store = builder.pool(MySqlPoolOptions::new().connect(url()).await.unwrap()).unwrap();
    let key = fresh_key();
    patient.create(&key, &record(1, 9)).await.unwrap();
    let mut other = hold(&table).await;
    let cut = async {
        let waits = format!("FROM information_schema.processlist WHERE info LIKE 'UPDATE%{table}%'");
        until("the write waits for the row", async || number(&format!("SELECT COUNT(*) {waits}")).await == 1)
            .await;
        let id = number(&format!("SELECT CAST(id AS SIGNED) {waits}")).await;
        run(&format!("KILL {id}")).await;
    };
    let new = record(2, 9);
    let (replaced, ()) = tokio::join!(store.replace(&key, &new, record(1, 9).revision), cut);
    assert_eq!(replaced.unwrap_err().kind(), Unavailable(Applied::Maybe));
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));
}

/// Otherwise a row that somebody holds for long would cost the server a connection for each call that gave up.
#[tokio::test]
async fn the_server_works_on_no_more_calls_than_there_are_connections() {
    let (patient, table) = fresh().await;
    let key = fresh_key();
    patient.create(&key, &record(1, 9)).await.unwrap();
    let mut other = hold(&table).await;
    let store = MySqlStore::builder().table(&table).max_connections(2).connect(url()).await.unwrap();
    let busy =
        format!("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'UPDATE%{table}%'");
    for _ in 0..2 {
        let touch = || store.touch(&key, Timestamp::from_millis(1), Timestamp::from_millis(99));
        let (one, other) = tokio::join!(touch(), touch());
        for refused in [one, other] {
            assert_eq!(refused.unwrap_err().kind(), Unavailable(Applied::No), "known before the deadline");
        }
        // What has been answered may still be listed for a moment.
        until("the server works on nothing", async || number(&busy).await == 0).await;
    }
    other.execute("ROLLBACK").await.unwrap();
    assert!(store.touch(&key, Timestamp::from_millis(1), Timestamp::from_millis(99)).await.unwrap());
}

#[tokio::test]
async fn a_write_that_is_not_answered_in_time_may_have_been_applied() {
    let (patient, table) = fresh().await;
    let key = fresh_key();
    patient.create(&key, &record(1, 9)).await.unwrap();
    let mut other = hold(&table).await;
    let builder = MySqlStore::builder().table(&table).max_connections(1);
    let store = builder.deadline(Duration::from_millis(500)).connect(url()).await.unwrap();
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

#[tokio::test]
async fn what_the_database_refuses_is_not_applied() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    for set in ["SET SESSION TRANSACTION READ ONLY", "SET innodb_lock_wait_timeout = 1"] {
        let options = MySqlPoolOptions::new().max_connections(1).after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(set).await.map(drop) })
        });
        let store = MySqlStore::builder().table(&table).pool(options.connect(url()).await.unwrap()).unwrap();
        let mut other = hold(&table).await;
        let refused = store.replace(&key, &record(2, 9), record(1, 9).revision).await.unwrap_err();
        assert_eq!(refused.kind(), Unavailable(Applied::No), "{set}: {refused:?}");
        other.execute("ROLLBACK").await.unwrap();
        assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)), "{set}");
    }
}

/// The server would cut the connection, and what became of the write would not be known.
#[tokio::test]
async fn a_record_that_the_server_does_not_take_is_too_large_and_cuts_no_connection() {
    let server = MariaDb::start_with(&["--max-allowed-packet=1M"]);
    let store = MySqlStore::builder().max_connections(1).connect(server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    let of = |len: usize| Record { data: vec![7; len].into(), ..record(1, 9) };
    for len in [1 << 20, (1 << 20) - 100, 16 << 20, MySqlStore::MAX_DATA_LEN + 1] {
        assert_eq!(store.create(&key, &of(len)).await.unwrap_err().kind(), TooLarge, "{len}");
    }
    let largest = of((1 << 20) - (2 << 10));
    store.create(&key, &largest).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), Some(largest));
    let connections = "SHOW GLOBAL STATUS LIKE 'Aborted_clients'";
    let mut connection = MySqlConnection::connect(server.url()).await.unwrap();
    let aborted: String = sqlx::Row::get(&connection.fetch_one(connections).await.unwrap(), 1);
    assert_eq!(aborted, "0");
}

#[tokio::test]
async fn a_table_without_room_is_full() {
    let (store, table) = fresh().await;
    run(&format!("DROP TABLE {table}")).await;
    // The engine in memory is full after 16 KiB, and says so as InnoDB does.
    run(&format!(
        "SET max_heap_table_size = 16384; CREATE TABLE {table} (`key` binary(32) PRIMARY KEY, revision bigint, \
         expires_at bigint, subject varbinary(255), data varbinary(1000)) ENGINE = MEMORY"
    ))
    .await;
    let mut last = Ok(());
    for _ in 0..1_000 {
        last = store.create(&fresh_key(), &record(1, 9)).await;
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last.unwrap_err().kind(), ErrorKind::Full);
}

#[tokio::test]
async fn an_error_shows_nothing_of_what_is_stored() {
    let (store, table) = fresh().await;
    run(&format!("ALTER TABLE {table} ADD CONSTRAINT early CHECK (expires_at < 100)")).await;
    let key = fresh_key();
    let error = store.create(&key, &record(1, 100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    store.create(&key, &record(1, 9)).await.unwrap();
    let exists = store.create(&key, &record(1, 9)).await.unwrap_err();
    let text = format!("{error:?} {error} {exists:?} {exists} {store:?}");
    assert!(text.contains("early") && !text.contains("0707") && !text.contains(r"\x07"), "{text}");
    assert!(!format!("{:?}", MySqlStore::builder().table(fresh_table())).contains("mysql://"));
}

/// Somebody else's open transaction on all rows.
async fn hold(table: &str) -> MySqlConnection {
    let mut other = MySqlConnection::connect(url()).await.unwrap();
    other.execute("START TRANSACTION").await.unwrap();
    other.execute(AssertSqlSafe(format!("SELECT * FROM {table} FOR UPDATE"))).await.unwrap();
    other
}

async fn until_closed(connection: i64) {
    let is_there = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {connection}");
    until("the server has closed the connection", async || number(&is_there).await == 0).await;
}
