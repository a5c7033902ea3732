//! What each call costs.

use std::time::Duration;

use cloakroom_store::{Acquired, LeaseId, Leases, Scan, Store, Subjects, Timestamp};
use sqlx::mysql::MySqlPool;
use sqlx::{AssertSqlSafe, Row, raw_sql};

use crate::server::connection_id;
use crate::shared::{ann, at, claim, fresh, fresh_key, record};

#[tokio::test]
async fn a_wait_that_ends_closes_no_connection() {
    let (_, table) = fresh().await;
    let (store, pool) = table.in_pool().await;
    let key = fresh_key();
    store.create(&key, &record(1, 9), at(0)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    let before = connection_id(&pool).await;
    for micros in [0, 10, 100, 1_000, 10_000] {
        store.wait(&key, Duration::from_micros(micros)).await.unwrap();
    }
    assert_eq!(before, connection_id(&pool).await);
}

/// Counted by the server, on the only connection there is.
#[tokio::test]
async fn each_call_makes_as_many_round_trips_as_documented() {
    let (_, table) = fresh().await;
    let (store, pool) = table.in_pool().await;
    let ann = ann();
    // Each statement is prepared when it is used for the first time. Boxed, since all of these calls together do not fit on
    // the stack of a test.
    for round in 0..2 {
        let (key, gone) = (fresh_key(), fresh_key());
        let guarded = claim(2).guarded([0; 16]);
        let counts = [
            (
                "create",
                1,
                counted(&pool, async { Box::pin(store.create(&key, &record(1, 9), at(0))).await.unwrap() })
                    .await,
            ),
            ("load", 1, counted(&pool, async { drop(Box::pin(store.load(&key)).await.unwrap()) }).await),
            ("touch", 1, {
                let touch = Box::pin(store.touch(&key, at(1), at(90)));
                counted(&pool, async { assert!(touch.await.unwrap()) }).await
            }),
            (
                "acquire",
                2,
                counted(&pool, async { drop(Box::pin(store.acquire(&key, &claim(1))).await.unwrap()) }).await,
            ),
            (
                "acquire, busy",
                1,
                counted(&pool, async { drop(Box::pin(store.acquire(&key, &claim(2))).await.unwrap()) }).await,
            ),
            ("acquire, mismatch", 1, {
                let acquire = Box::pin(store.acquire(&key, &guarded));
                counted(&pool, async { assert!(matches!(acquire.await.unwrap(), Acquired::Mismatch(_))) })
                    .await
            }),
            (
                "renew",
                1,
                counted(&pool, async { assert!(Box::pin(store.renew(&key, &claim(1))).await.unwrap()) })
                    .await,
            ),
            ("replace and release", 1, {
                let (new, lease) = (record(2, 90), LeaseId::new(1));
                let save =
                    Box::pin(store.replace_and_release(&key, &new, record(1, 9).revision, lease, at(0)));
                counted(&pool, async { save.await.unwrap() }).await
            }),
            ("replace", 1, {
                let new = record(3, 90);
                let replace = Box::pin(store.replace(&key, &new, record(2, 9).revision, at(0)));
                counted(&pool, async { replace.await.unwrap() }).await
            }),
            ("replace, refused", 2, {
                let new = record(4, 90);
                let replace = Box::pin(store.replace(&key, &new, record(2, 9).revision, at(0)));
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
            ("enroll", 1, {
                let enroll = Box::pin(store.enroll(&ann, &key, at(0), Timestamp::MAX));
                counted(&pool, async { assert_eq!(enroll.await.unwrap(), 1) }).await
            }),
            (
                "list",
                1,
                counted(&pool, async { drop(Box::pin(store.list(&ann, None, 10)).await.unwrap()) }).await,
            ),
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
    let show = AssertSqlSafe(format!("SHOW SESSION STATUS LIKE '{name}'"));
    let row = raw_sql(show).fetch_one(pool).await.unwrap();
    row.get::<String, _>(1).parse().unwrap()
}
