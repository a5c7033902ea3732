//! What cannot be seen from outside: plans, and idle connections.

use cloakroom_test_services::{mysql, server};
use sqlx::mysql::{MySqlPoolOptions, MySqlRow};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row, SqlStr, query, raw_sql};

use super::MySqlStore;
use crate::store::STEP;

crate::connections::test_restart!(server::MariaDb, MySqlStore);

/// For every size of a table: a statement that changes rows and uses another index than the primary key locks rows that it
/// does not change.
#[tokio::test]
async fn statements_that_change_rows_find_them_by_primary_key_in_tables_of_any_size() {
    let (store, mut connection) = explained("changes").await;
    let statements = &store.statements;
    let (bytes, number, keys) = ("UNHEX(SHA2(7, 256))", "7", vec!["?"; STEP].join(", "));
    let cases: [(&SqlStr, &[&str]); 9] = [
        (&statements.replace, &[number, number, "NULL", "''", bytes, number, "''"]),
        (&statements.touch, &[number, bytes, number]),
        (&statements.delete, &[bytes]),
        (&statements.delete_expired, &["9000"]),
        (&statements.delete_of, &["'ann'"]),
        (&statements.acquire, &[number, number, number, number, bytes, number, number, "NULL", "NULL", "''"]),
        (&statements.renew, &[number, number, number, bytes, number]),
        (&statements.release, &[bytes, number]),
        (
            &statements.replace_and_release,
            &[number, number, number, number, "NULL", "''", bytes, number, "''"],
        ),
    ];
    for rows in [1, 20, 150, 1_000, 20_000] {
        fill(&store, rows, &mut connection).await;
        let some = (1..=STEP).map(|n| format!("UNHEX(SHA2({n}, 256))")).collect::<Vec<_>>().join(", ");
        for (statement, parameters) in cases {
            let text = statement.as_str().replace(&keys, &some);
            let plan = plan(&text, parameters, &mut connection).await;
            assert_eq!(plan.key.as_deref(), Some("PRIMARY"), "{text:.60}, of {rows} rows");
            assert_eq!(plan.kind, "range", "{text:.60}, of {rows} rows");
        }
    }
}

#[tokio::test]
async fn only_connections_of_the_application_are_freed_of_transactions() {
    let own = MySqlStore::builder().max_connections(1).connect(mysql()).await.unwrap();
    let pool = MySqlPoolOptions::new().max_connections(1).connect(mysql()).await.unwrap();
    let theirs = MySqlStore::builder().pool(pool).unwrap();
    for (store, checks) in [(own, 0), (theirs, 4)] {
        for _ in 0..3 {
            store.connections.read(|| query("SELECT 1")).await.unwrap();
        }
        let rows = store.connections.read(|| query("SHOW SESSION STATUS LIKE 'Com_rollback'")).await.unwrap();
        assert_eq!(rows[0].get::<String, _>(1).parse(), Ok(checks));
    }
}

#[tokio::test]
async fn purging_counting_subjects_and_walks_use_their_indexes() {
    let (store, mut connection) = explained("looks").await;
    let statements = &store.statements;
    fill(&store, 20_000, &mut connection).await;
    let cases: [(&SqlStr, &[&str], &str, bool); 9] = [
        (&statements.enroll, &["'ann'", "'x'", "100"], "subject", true),
        (&statements.enroll, &["'bob'", "'x'", "100"], "subject", true),
        (&statements.expired, &["9000", "10", "10", "'x'", "100"], "expires_at", true),
        (&statements.count, &["9000"], "expires_at", true),
        (&statements.keys_of, &["'ann'", "'x'", "10"], "subject", true),
        (&statements.keys_of, &["'bob'", "'x'", "10"], "subject", true),
        (&statements.list, &["'ann'", "'x'", "10"], "subject", false),
        (&statements.list, &["'bob'", "'x'", "10"], "subject", false),
        (&statements.page, &["'x'", "10"], "PRIMARY", false),
    ];
    for (statement, parameters, index, alone) in cases {
        let plan = plan(statement.as_str(), parameters, &mut connection).await;
        assert_eq!(plan.key.as_deref(), Some(index), "{}", statement.as_str());
        assert_eq!(
            plan.extra.split("; ").any(|note| note == "Using index"),
            alone,
            "{}: {}",
            statement.as_str(),
            plan.extra
        );
        assert!(!plan.extra.contains("filesort"), "{}: {}", statement.as_str(), plan.extra);
    }
}

struct Plan {
    key: Option<String>,
    kind: String,
    extra: String,
}

async fn plan(statement: &str, parameters: &[&str], connection: &mut MySqlConnection) -> Plan {
    assert_eq!(statement.matches('?').count(), parameters.len(), "{statement}");
    let mut text = statement.to_owned();
    for parameter in parameters {
        text = text.replacen('?', parameter, 1);
    }
    let explain = raw_sql(AssertSqlSafe(format!("EXPLAIN {text}")));
    let rows: Vec<MySqlRow> = explain.fetch_all(connection).await.unwrap();
    // A count of at most so many rows has a step for the count before the one that finds them.
    let steps = if statement.contains("AS others") { 2 } else { 1 };
    assert_eq!(rows.len(), steps, "{statement} has a plan of several steps");
    let row = &rows[steps - 1];
    Plan { key: row.get("key"), kind: row.get("type"), extra: row.get("Extra") }
}

/// A store, and a connection beside it.
async fn explained(what: &str) -> (MySqlStore, MySqlConnection) {
    let store =
        MySqlStore::builder().table(format!("{what}_{}", std::process::id())).connect(mysql()).await.unwrap();
    store.migrate().await.unwrap();
    (store, MySqlConnection::connect(mysql()).await.unwrap())
}

/// Fills the table with rows, the n-th of which expires at n. Half of them are ann's.
async fn fill(store: &MySqlStore, rows: u64, connection: &mut MySqlConnection) {
    let table = &store.table;
    let fill = format!(
        "TRUNCATE {table}; INSERT INTO {table} (`key`, revision, expires_at, subject, data) \
         SELECT UNHEX(SHA2(seq, 256)), 1, seq, IF(seq % 2, 'ann', seq), '' FROM seq_1_to_{rows}; ANALYZE TABLE {table}"
    );
    raw_sql(AssertSqlSafe(fill)).execute(connection).await.unwrap();
}
