//! The store in a pool of the application's.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_sqlx::{MySqlStore, OpenError};
use cloakroom_store::ErrorKind::Unavailable;
use cloakroom_store::{
    Acquired, Applied, BoxFuture, Key, LeaseId, Leases, Scan, Store, Subject, Subjects, Timestamp,
};
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row};
use tokio::time::timeout;

use crate::support::{claim, drop_after, fresh_key, fresh_table, record, until};
use crate::{fresh, number, url};

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_enough_for_every_call_and_for_waiting() {
    let pool = one_connection().await;
    let store = Arc::new(MySqlStore::builder().table(fresh_table()).pool(pool.clone()).unwrap());
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    assert_eq!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(record(1, 9)));
    let waiter = Arc::clone(&store);
    let waiting = tokio::spawn(async move { waiter.wait(&key, Duration::from_secs(3600)).await });
    assert!(store.release(&key, LeaseId::new(1)).await.unwrap());
    timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(store.purge(Timestamp::MAX, 10).await.unwrap(), 1);
    assert_eq!(pool.size(), 1);
}

#[tokio::test]
async fn a_wait_that_is_over_cuts_no_connection() {
    let pool = one_connection().await;
    let store = MySqlStore::builder().table(fresh_table()).pool(pool.clone()).unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    let connection = || sqlx::query_scalar("SELECT CAST(CONNECTION_ID() AS SIGNED)").fetch_one(&pool);
    let before: i64 = connection().await.unwrap();
    for micros in [0, 10, 100, 1_000, 10_000] {
        store.wait(&key, Duration::from_micros(micros)).await.unwrap();
    }
    assert_eq!(before, connection().await.unwrap());
}

#[tokio::test]
async fn connections_that_do_not_commit_by_themselves_are_refused() {
    let options = MySqlPoolOptions::new().after_connect(|connection, _| {
        Box::pin(async { connection.execute("SET autocommit = 0").await.map(drop) })
    });
    let pool = options.connect(url()).await.unwrap();
    let store = MySqlStore::builder().table(fresh_table()).pool(pool).unwrap();
    let refused = store.migrate().await.unwrap_err();
    assert!(matches!(refused, OpenError::Unsafe { .. }), "{refused:?}");
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
        let options = MySqlPoolOptions::new().max_connections(1).after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(settings).await.map(drop) })
        });
        let pool = options.connect(url()).await.unwrap();
        let store = MySqlStore::builder().table(fresh_table()).pool(pool).unwrap();
        store.migrate().await.unwrap();
        let key = fresh_key();
        store.create(&key, &record(1, 9)).await.unwrap();
        assert_eq!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(record(1, 9)), "{settings}");
        assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Busy, "{settings}");
        store.replace_and_release(&key, &record(2, 9), record(1, 9).revision, LeaseId::new(1)).await.unwrap();
        assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Held(record(2, 9)), "{settings}");
        assert!(store.touch(&key, Timestamp::from_millis(8), Timestamp::from_millis(99)).await.unwrap());
        assert_eq!(store.load(&key).await.unwrap(), Some(record(2, 99)), "{settings}");
        assert_eq!(store.purge(Timestamp::from_millis(100), 10).await.unwrap(), 1, "{settings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_leaves_no_transaction_open_and_no_answer_behind() {
    let (own, table) = fresh().await;
    let theirs = MySqlStore::builder().table(&table).pool(one_connection().await).unwrap();
    for store in [own, theirs] {
        for call in 0..9 {
            for polls in 1..40 {
                let (key, other) = (fresh_key(), fresh_key());
                store.create(&key, &record(1, 9)).await.unwrap();
                store.create(&other, &record(2, 9)).await.unwrap();
                let done = drop_after(polls, calls(&store, &key, call)).await;
                let loaded = store.load(&other).await.unwrap();
                assert_eq!(loaded, Some(record(2, 9)), "call {call}, {polls} polls");
                if done {
                    break;
                }
            }
        }
    }
    until("no transaction is open", async || {
        let open = "SELECT COUNT(*) FROM information_schema.innodb_trx JOIN information_schema.processlist \
            ON trx_mysql_thread_id = id";
        number(&format!("{open} WHERE trx_query LIKE '%{table}%' OR (command = 'Sleep' AND time >= 1)")).await
            == 0
    })
    .await;
}

/// A `begin()` that is dropped leaves sqlx's connection in a transaction that it does not know of. What is acknowledged in
/// it would be lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_in_no_transaction_that_the_application_left_open() {
    let (own, table) = fresh().await;
    let mut left_open = 0;
    for polls in (0..4).cycle().take(40) {
        let pool = MySqlPoolOptions::new().max_connections(1).test_before_acquire(false);
        let pool = pool.connect(url()).await.unwrap();
        let store = MySqlStore::builder().table(&table).pool(pool.clone()).unwrap();
        drop_after(polls, Box::pin(async { drop(pool.begin().await.unwrap()) })).await;
        left_open += sqlx::query_scalar::<_, i64>("SELECT CAST(@@in_transaction AS SIGNED)")
            .fetch_one(&pool)
            .await
            .unwrap();
        let key = fresh_key();
        store.create(&key, &record(1, 9)).await.unwrap();
        assert_eq!(own.load(&key).await.unwrap(), Some(record(1, 9)), "{polls} polls");
        assert!(store.delete(&key).await.unwrap());
        assert_eq!(own.load(&key).await.unwrap(), None, "{polls} polls");
    }
    assert!(left_open > 0, "the driver has been mended, and the check can go");
}

#[tokio::test]
async fn a_refusal_costs_the_pool_no_connection() {
    let (own, table) = fresh().await;
    let pool = one_connection().await;
    let store = MySqlStore::builder().table(&table).pool(pool.clone()).unwrap();
    let key = fresh_key();
    own.create(&key, &record(1, 9)).await.unwrap();
    let connection = || sqlx::query_scalar("SELECT CAST(CONNECTION_ID() AS SIGNED)").fetch_one(&pool);
    let before: i64 = connection().await.unwrap();
    pool.execute("SET innodb_lock_wait_timeout = 1").await.unwrap();
    let mut other = MySqlConnection::connect(url()).await.unwrap();
    other.execute("START TRANSACTION").await.unwrap();
    other.execute(AssertSqlSafe(format!("SELECT * FROM {table} FOR UPDATE"))).await.unwrap();
    assert_eq!(store.delete(&key).await.unwrap_err().kind(), Unavailable(Applied::No));
    assert_eq!(before, connection().await.unwrap());

    // From a server that became a replica the next call is to find its way to another.
    pool.execute("SET SESSION TRANSACTION READ ONLY").await.unwrap();
    assert_eq!(store.delete(&key).await.unwrap_err().kind(), Unavailable(Applied::No));
    assert_ne!(before, connection().await.unwrap());
}

fn calls<'a>(store: &'a MySqlStore, key: &'a Key, number: usize) -> BoxFuture<'a, ()> {
    let lease = LeaseId::new(1);
    Box::pin(async move {
        match number {
            0 => drop(store.load(key).await),
            1 => drop(store.replace(key, &record(3, 9), record(1, 9).revision).await),
            2 => drop(store.touch(key, Timestamp::from_millis(1), Timestamp::from_millis(90)).await),
            3 => drop(store.delete(key).await),
            4 => drop(store.acquire(key, &claim(1)).await),
            5 => drop(store.release(key, lease).await),
            6 => drop(store.renew(key, &claim(1)).await),
            7 => drop(store.list(&Subject::new("ann").unwrap()).await),
            _ => drop(store.wait(key, Duration::from_millis(1)).await),
        }
    })
}

/// Counted by the server, on the only connection there is.
#[tokio::test]
async fn each_call_is_as_many_round_trips_as_it_says() {
    let pool = one_connection().await;
    let store = MySqlStore::builder().table(fresh_table()).pool(pool.clone()).unwrap();
    store.migrate().await.unwrap();
    let ann = Subject::new("ann").unwrap();
    // Each statement is prepared when it is used for the first time. Boxed, since all of these calls together do not fit on
    // the stack of a test.
    for round in 0..2 {
        let (key, gone) = (fresh_key(), fresh_key());
        let counts = [
            (
                "create",
                1,
                counted(&pool, async { Box::pin(store.create(&key, &record(1, 9))).await.unwrap() }).await,
            ),
            ("load", 1, counted(&pool, async { drop(Box::pin(store.load(&key)).await.unwrap()) }).await),
            ("touch", 1, {
                let touch =
                    Box::pin(store.touch(&key, Timestamp::from_millis(1), Timestamp::from_millis(90)));
                counted(&pool, async { assert!(touch.await.unwrap()) }).await
            }),
            (
                "acquire",
                2,
                counted(&pool, async { drop(Box::pin(store.acquire(&key, &claim(1))).await.unwrap()) }).await,
            ),
            (
                "acquire, busy",
                2,
                counted(&pool, async { drop(Box::pin(store.acquire(&key, &claim(2))).await.unwrap()) }).await,
            ),
            (
                "renew",
                1,
                counted(&pool, async { assert!(Box::pin(store.renew(&key, &claim(1))).await.unwrap()) })
                    .await,
            ),
            ("replace and release", 1, {
                let (new, lease) = (record(2, 90), LeaseId::new(1));
                let save = Box::pin(store.replace_and_release(&key, &new, record(1, 9).revision, lease));
                counted(&pool, async { save.await.unwrap() }).await
            }),
            ("replace", 1, {
                let new = record(3, 90);
                let replace = Box::pin(store.replace(&key, &new, record(2, 9).revision));
                counted(&pool, async { replace.await.unwrap() }).await
            }),
            ("replace, refused", 2, {
                let new = record(4, 90);
                let replace = Box::pin(store.replace(&key, &new, record(2, 9).revision));
                counted(&pool, async { drop(replace.await.unwrap_err()) }).await
            }),
            (
                "release",
                1,
                counted(&pool, async { _ = Box::pin(store.release(&key, LeaseId::new(1))).await.unwrap() })
                    .await,
            ),
            (
                "wait",
                1,
                counted(&pool, async { Box::pin(store.wait(&key, Duration::from_secs(9))).await.unwrap() })
                    .await,
            ),
            (
                "enroll",
                0,
                counted(&pool, async { Box::pin(store.enroll(&ann, &key, Timestamp::MAX)).await.unwrap() })
                    .await,
            ),
            ("list", 1, counted(&pool, async { drop(Box::pin(store.list(&ann)).await.unwrap()) }).await),
            (
                "end all",
                1,
                counted(&pool, async { _ = Box::pin(store.end_all(&ann, None)).await.unwrap() }).await,
            ),
            ("page", 1, counted(&pool, async { drop(Box::pin(store.page(None, 10)).await.unwrap()) }).await),
            (
                "delete",
                1,
                counted(&pool, async { assert!(Box::pin(store.delete(&key)).await.unwrap()) }).await,
            ),
            (
                "delete of nothing",
                1,
                counted(&pool, async { assert!(!Box::pin(store.delete(&gone)).await.unwrap()) }).await,
            ),
            (
                "purge of nothing",
                1,
                counted(&pool, async { _ = Box::pin(store.purge(Timestamp::MAX, 9)).await.unwrap() }).await,
            ),
        ];
        for (call, promised, (executed, prepared)) in counts {
            assert_eq!(executed, promised, "{call}");
            assert!(round == 0 || prepared == 0, "{call} is prepared again");
        }
    }
}

/// How many statements were executed and how many prepared meanwhile.
async fn counted(pool: &MySqlPool, call: impl Future<Output = ()>) -> (i64, i64) {
    let before = [status(pool, "Com_stmt_execute").await, status(pool, "Com_stmt_prepare").await];
    call.await;
    let [executed, prepared] = before;
    (status(pool, "Com_stmt_execute").await - executed, status(pool, "Com_stmt_prepare").await - prepared)
}

async fn status(pool: &MySqlPool, name: &str) -> i64 {
    // Without parameters it is not prepared, and so not counted.
    let show = sqlx::AssertSqlSafe(format!("SHOW SESSION STATUS LIKE '{name}'"));
    let row = sqlx::raw_sql(show).fetch_one(pool).await.unwrap();
    row.get::<String, _>(1).parse().unwrap()
}

async fn one_connection() -> MySqlPool {
    MySqlPoolOptions::new().max_connections(1).connect(url()).await.unwrap()
}
