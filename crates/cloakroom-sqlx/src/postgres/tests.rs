//! What cannot be seen from outside: plans, and idle connections.

use cloakroom_test_services::{postgres, server};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, raw_sql};

use super::PostgresStore;

crate::connections::test_restart!(server::Postgres, PostgresStore);

/// The plan of every statement that finds rows in another way than by key.
#[tokio::test]
async fn purging_counting_and_subjects_use_their_indexes() {
    let store = PostgresStore::builder().table("explained").connect(postgres()).await.unwrap();
    store.migrate().await.unwrap();
    let mut connection = PgConnection::connect(postgres()).await.unwrap();
    // Half of the records are ann's.
    let fill = "INSERT INTO explained (key, revision, expires_at, subject, data) \
        SELECT sha256(int4send(n)), 1, n, CASE WHEN n % 2 = 0 THEN 'ann' ELSE int4send(n) END, '\\x00' \
        FROM generate_series(1, 20000) n ON CONFLICT DO NOTHING";
    for statement in [fill, "VACUUM ANALYZE explained"] {
        raw_sql(statement).execute(&mut connection).await.unwrap();
    }
    let statements = &store.statements;
    let cases: [(_, &[&str], _); 8] = [
        (&statements.enroll, &["'ann'", "'\\x01'", "100"], "explained_subject"),
        (&statements.enroll, &["'bob'", "'\\x01'", "100"], "explained_subject"),
        (&statements.purge, &["1000", "100"], "explained_expires_at"),
        (&statements.count, &["1000", "100"], "explained_expires_at"),
        (&statements.list, &["'ann'", "'\\x01'", "10"], "explained_subject"),
        (&statements.list, &["'bob'", "'\\x01'", "10"], "explained_subject"),
        (&statements.end_all, &["'bob'", "''"], "explained_subject"),
        (&statements.page, &["'\\x01'", "10"], "explained_pkey"),
    ];
    for (statement, parameters, index) in cases {
        let mut text = statement.as_str().to_owned();
        for (n, parameter) in parameters.iter().enumerate() {
            text = text.replace(&format!("${}", n + 1), parameter);
        }
        let plan = raw_sql(AssertSqlSafe(format!("EXPLAIN {text}")));
        let rows = plan.fetch_all(&mut connection).await.unwrap();
        let plan = rows.iter().map(|row| row.get(0)).collect::<Vec<&str>>().join("\n");
        assert!(plan.contains(index) && !plan.contains("Seq Scan") && !plan.contains("Sort"), "{plan}");
    }
}
