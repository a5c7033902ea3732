use cloakroom_sqlx::{OpenError, PostgresStore};
use cloakroom_store::{ErrorKind, Scan, Store};

use crate::support::{fresh_key, fresh_table, record};
use crate::{fresh, number, run, url};

#[tokio::test(flavor = "multi_thread")]
async fn eight_instances_may_make_the_table_at_the_same_time() {
    for _ in 0..10 {
        let table = fresh_table();
        let builder = PostgresStore::builder().table(&table);
        let mut instances = Vec::new();
        for _ in 0..8 {
            let store = builder.connect(url()).await.unwrap();
            instances.push(tokio::spawn(async move { store.migrate().await.map(|()| store) }));
        }
        for instance in instances {
            let store = instance.await.unwrap().unwrap();
            store.create(&fresh_key(), &record(1, 1)).await.unwrap();
            store.migrate().await.unwrap();
        }
        assert_eq!(number(&format!("SELECT count(*) FROM {table}")).await, 8);
        run(&format!("DROP TABLE {table}")).await;
    }
}

#[tokio::test]
async fn stores_with_tables_of_their_own_do_not_see_each_other() {
    let ((one, _), (other, _)) = (fresh().await, fresh().await);
    let key = fresh_key();
    one.create(&key, &record(1, 1)).await.unwrap();
    assert_eq!(other.load(&key).await.unwrap(), None);
    other.create(&key, &record(2, 1)).await.unwrap();
    assert!(other.delete(&key).await.unwrap());
    assert_eq!(one.load(&key).await.unwrap(), Some(record(1, 1)));
}

#[tokio::test]
async fn a_table_may_be_in_a_schema() {
    let schema = fresh_table();
    run(&format!("CREATE SCHEMA {schema}")).await;
    let builder = PostgresStore::builder().table(format!("{schema}.Sessions"));
    let store = builder.connect(url()).await.unwrap();
    store.migrate().await.unwrap();
    store.create(&fresh_key(), &record(1, 1)).await.unwrap();
    assert_eq!(number(&format!("SELECT count(*) FROM {schema}.\"Sessions\"")).await, 1);
    assert_eq!(Scan::count(&store).await.unwrap(), 1);
    run(&format!("DROP SCHEMA {schema} CASCADE")).await;
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_before_anything_is_sent() {
    let refused = PostgresStore::builder().table("a; DROP TABLE b").connect("postgres://127.0.0.1:1/x").await;
    assert!(matches!(refused, Err(OpenError::InvalidTable { .. })), "{refused:?}");
}

#[tokio::test]
async fn somebody_elses_table_is_refused_and_left_alone() {
    let table = fresh_table();
    run(&format!("CREATE TABLE {table} (key text); COMMENT ON TABLE {table} IS 'keys'")).await;
    let store = PostgresStore::builder().table(&table).connect(url()).await.unwrap();
    let refused = store.migrate().await;
    assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
    let columns = format!("SELECT count(*) FROM information_schema.columns WHERE table_name = '{table}'");
    assert_eq!(number(&columns).await, 1);
    run(&format!("DROP TABLE {table}")).await;
}

#[tokio::test]
async fn an_index_that_something_else_has_the_name_of_is_missed() {
    for column in ["expires_at", "subject"] {
        let table = fresh_table();
        run(&format!("CREATE TABLE {table}_{column} (key text)")).await;
        let store = PostgresStore::builder().table(&table).connect(url()).await.unwrap();
        for _ in 0..2 {
            let refused = store.migrate().await.unwrap_err();
            assert!(
                matches!(&refused, OpenError::Unindexed { column: missing, .. } if missing == column),
                "{refused}"
            );
        }
        let partial = format!("CREATE INDEX {table}_some ON {table} ({column}) WHERE {column} IS NULL");
        run(&partial).await;
        assert!(store.migrate().await.is_err(), "it serves for nothing");
        run(&format!("CREATE INDEX {table}_other ON {table} ({column})")).await;
        store.migrate().await.unwrap();
        run(&format!("DROP TABLE {table}, {table}_{column}")).await;
    }
}

#[tokio::test]
async fn a_table_of_a_later_version_is_refused_by_its_number() {
    let (store, table) = fresh().await;
    run(&format!("COMMENT ON TABLE {table} IS 'cloakroom sessions, version 2'")).await;
    let refused = store.migrate().await;
    assert!(matches!(refused, Err(OpenError::Version { found: 2, .. })), "{refused:?}");
}

#[tokio::test]
async fn whoever_may_not_make_tables_can_use_one_that_is_there() {
    let (_, table) = fresh().await;
    let user = format!("u{table}");
    run(&format!("CREATE ROLE {user} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {user}"))
        .await;
    let url = url().replace("postgres@", &format!("{user}@"));
    let store = PostgresStore::builder().table(&table).connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    assert!(store.delete(&key).await.unwrap());

    let store = PostgresStore::builder().table(fresh_table()).connect(&url).await.unwrap();
    let refused = store.migrate().await.unwrap_err().to_string();
    assert!(refused.contains("permission denied") && refused.contains("schema()"), "{refused}");
    run(&format!("DROP OWNED BY {user}; DROP ROLE {user}")).await;
}

#[tokio::test]
async fn calls_without_a_table_say_how_it_is_made() {
    let store = PostgresStore::builder().table(fresh_table()).connect(url()).await.unwrap();
    let error = store.create(&fresh_key(), &record(1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("migrate()"), "{source}");
    let error = store.load(&fresh_key()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable(_)), "{error:?}");
}
