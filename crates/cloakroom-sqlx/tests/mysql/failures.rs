//! What is particular to MySQL when something fails, or is set in an unusual way.

use cloakroom_sqlx::{MySqlStore, OpenErrorKind};
use cloakroom_store::ErrorKind::{Full, TooLarge};
use cloakroom_store::{Acquired, LeaseId, Leases, Record, Revision, Store};
use cloakroom_test_services::server::MariaDb;
use sqlx::{Connection, Executor, MySqlConnection, Row};

use crate::server::{connection_id, until_closed};
use crate::shared::{Table, at, claim, fresh, fresh_key, record};
use crate::transactions::beginning_with;

#[tokio::test]
async fn a_connection_that_the_server_closed_after_its_timeout_fails_no_read() {
    let (own, table) = fresh().await;
    let (store, pool) = table.in_pool().await;
    let key = fresh_key();
    own.create(&key, &record(1, 9), at(0)).await.unwrap();
    let connection = connection_id(&pool).await;
    pool.execute("SET wait_timeout = 1").await.unwrap();
    until_closed(&table, connection).await;
    assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));
}

#[tokio::test]
async fn connections_that_do_not_commit_by_themselves_are_refused() {
    let store = beginning_with(&Table::named(), "SET autocommit = 0").await;
    let refused = store.migrate().await.unwrap_err();
    assert_eq!(refused.kind(), OpenErrorKind::Refused);
    assert!(refused.to_string().contains("autocommit"), "{refused}");
}

/// Whatever the application has set on its connections.
#[tokio::test]
async fn modes_and_levels_of_the_connection_change_nothing() {
    for settings in [
        "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,SIMULTANEOUS_ASSIGNMENT'",
        "SET sql_mode = '', time_zone = '-10:00', NAMES latin1",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    ] {
        let store = beginning_with(&Table::named(), settings).await;
        store.migrate().await.unwrap();
        let key = fresh_key();
        store.create(&key, &record(1, 9), at(0)).await.unwrap();
        assert_eq!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(record(1, 9)), "{settings}");
        assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Busy(None), "{settings}");
        store
            .replace_and_release(&key, &record(2, 9), record(1, 9).revision, LeaseId::new(1), at(0))
            .await
            .unwrap();
        assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Held(record(2, 9)), "{settings}");
        assert!(store.touch(&key, at(8), at(99)).await.unwrap());
        assert_eq!(store.load(&key).await.unwrap(), Some(record(2, 99)), "{settings}");
        assert_eq!(store.purge(at(100), 10).await.unwrap(), 1, "{settings}");
    }
}

/// The server would close the connection, and the outcome of the write would not be known.
#[tokio::test]
async fn a_record_that_the_server_does_not_accept_is_too_large_and_closes_no_connection() {
    let server = MariaDb::start_with(&["--max-allowed-packet=1M"]);
    let store = MySqlStore::builder().max_connections(1).connect(server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    let of = |len: usize| Record::new(Revision::new(1), at(9), vec![7; len]);
    for len in [1 << 20, (1 << 20) - 100, 16 << 20, MySqlStore::MAX_DATA_LEN + 1] {
        assert_eq!(store.create(&key, &of(len), at(0)).await.unwrap_err().kind(), TooLarge, "{len}");
    }
    let largest = of((1 << 20) - (2 << 10));
    store.create(&key, &largest, at(0)).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), Some(largest));
    let connections = "SHOW GLOBAL STATUS LIKE 'Aborted_clients'";
    let mut connection = MySqlConnection::connect(server.url()).await.unwrap();
    let aborted: String = connection.fetch_one(connections).await.unwrap().get(1);
    assert_eq!(aborted, "0");
}

#[tokio::test]
async fn a_table_without_room_is_full() {
    let table = Table::named();
    // The storage engine in memory is full after 16 KiB, and reports that as InnoDB does.
    let small = "SET max_heap_table_size = 16384; CREATE TABLE {table} (`key` binary(32) PRIMARY KEY, revision bigint, \
        expires_at bigint, subject varbinary(255), data varbinary(1000)) ENGINE = MEMORY";
    table.run(small).await;
    let store = table.open().await;
    let mut last = Ok(());
    for _ in 0..1_000 {
        last = store.create(&fresh_key(), &record(1, 9), at(0)).await;
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last.unwrap_err().kind(), Full);
}
