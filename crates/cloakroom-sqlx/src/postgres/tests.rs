//! What cannot be seen from outside: plans, and connections that nobody uses.

use std::time::Duration;

use cloakroom_store::{Key, Record, Revision, Store, Timestamp};
use cloakroom_test_services::{postgres, server};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, raw_sql};

use super::PostgresStore;

/// The plan of every statement that looks for rows otherwise than by key.
#[tokio::test]
async fn purging_and_subjects_use_their_indexes() {
    let store = PostgresStore::builder().table("explained").connect(postgres()).await.unwrap();
    store.migrate().await.unwrap();
    let mut connection = PgConnection::connect(postgres()).await.unwrap();
    let fill = "INSERT INTO explained (key, revision, expires_at, subject, data) \
        SELECT sha256(int4send(n)), 1, n, int4send(n), '\\x00' FROM generate_series(1, 20000) n \
        ON CONFLICT DO NOTHING; ANALYZE explained";
    raw_sql(fill).execute(&mut connection).await.unwrap();
    let statements = &store.statements;
    let cases = [
        (&statements.purge, ["1000", "100"], "explained_expires_at"),
        (&statements.list, ["'\\x01'", ""], "explained_subject"),
        (&statements.end_all, ["'\\x01'", "NULL"], "explained_subject"),
        (&statements.page, ["'\\x01'", "10"], "explained_pkey"),
    ];
    for (statement, [one, two], index) in cases {
        let statement = statement.as_str().replace("$1", one).replace("$2", two);
        let plan = raw_sql(AssertSqlSafe(format!("EXPLAIN {statement}")));
        let rows = plan.fetch_all(&mut connection).await.unwrap();
        let plan = rows.iter().map(|row| row.get(0)).collect::<Vec<&str>>().join("\n");
        assert!(plan.contains(index) && !plan.contains("Seq Scan") && !plan.contains("Sort"), "{plan}");
    }
}

/// Without this the first write after a quiet time would be one whose outcome is not known.
#[tokio::test]
async fn a_connection_that_a_restart_broke_is_found_by_nobody() {
    let mut server = server::Postgres::start();
    let store = PostgresStore::connect(server.url()).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.connections.idle(), 1);
    server.kill();
    server.start_again();
    for _ in 0..1_000 {
        if store.connections.idle() == 0 {
            let record = Record {
                revision: Revision::new(1),
                expires_at: Timestamp::MAX,
                subject: None,
                data: [].into(),
            };
            store.create(&Key::new([1; 32]), &record).await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the broken connection is still there after ten seconds");
}
