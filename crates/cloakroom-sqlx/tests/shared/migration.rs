//! Creating the table, and recognizing it.

use cloakroom_sqlx::OpenErrorKind;
use cloakroom_store::{ErrorKind, Scan, Store as _};

use crate::database::Database;
use crate::dialect::{FOREIGN_TABLE, LATER_TABLE, Store};
use crate::shared::{Table, at, cause, fresh, fresh_key, record};

#[tokio::test(flavor = "multi_thread")]
async fn eight_instances_may_create_the_table_at_the_same_time() {
    for _ in 0..10 {
        let table = Table::named();
        let instances: Vec<_> = (0..8)
            .map(|_| {
                let (database, builder) = (table.database.clone(), table.builder());
                tokio::spawn(async move {
                    let store = database.open(builder).await.unwrap();
                    store.migrate().await.unwrap();
                    store
                })
            })
            .collect();
        for instance in instances {
            let store = instance.await.unwrap();
            store.create(&fresh_key(), &record(1, 1), at(0)).await.unwrap();
            store.migrate().await.unwrap();
        }
        assert_eq!(table.number("SELECT COUNT(*) FROM {table}").await, 8);
        table.run("DROP TABLE {table}").await;
    }
}

#[tokio::test]
async fn stores_with_different_tables_do_not_see_each_other() {
    let (one, table) = fresh().await;
    let other = table.database.open(Store::builder().table(format!("{table}_2"))).await.unwrap();
    other.migrate().await.unwrap();
    let key = fresh_key();
    one.create(&key, &record(1, 1), at(0)).await.unwrap();
    assert_eq!(other.load(&key).await.unwrap(), None);
    other.create(&key, &record(2, 1), at(0)).await.unwrap();
    assert!(other.delete(&key).await.unwrap());
    assert_eq!(one.load(&key).await.unwrap(), Some(record(1, 1)));
    assert_eq!(other.count(at(0)).await.unwrap(), 0);
    assert_eq!(one.count(at(0)).await.unwrap(), 1);
}

#[tokio::test]
async fn an_invalid_table_name_is_refused_before_anything_is_sent() {
    for name in ["a b", "a\"; DROP TABLE b", "a.b.c"] {
        let refused = Database::unreachable().open(Store::builder().table(name)).await.unwrap_err();
        assert_eq!(refused.kind(), OpenErrorKind::Config, "{refused:?}");
    }
}

#[tokio::test]
async fn a_table_of_something_else_is_refused_and_left_alone() {
    let table = Table::named();
    table.run(FOREIGN_TABLE).await;
    let refused = table.open().await.migrate().await.unwrap_err();
    assert_eq!(refused.kind(), OpenErrorKind::Refused);
    assert!(refused.to_string().contains("not one of cloakroom's"), "{refused}");
    table.run("INSERT INTO {table} (theirs) VALUES ('1')").await;
    assert_eq!(table.number("SELECT COUNT(*) FROM {table}").await, 1);
    table.run("DROP TABLE {table}").await;
}

#[tokio::test]
async fn a_table_of_a_later_version_is_refused_by_its_number() {
    let table = Table::named();
    table.run(LATER_TABLE).await;
    let refused = table.open().await.migrate().await.unwrap_err();
    assert_eq!(refused.kind(), OpenErrorKind::Refused);
    assert!(refused.to_string().contains("version 7"), "{refused}");
    table.run("DROP TABLE {table}").await;
}

#[tokio::test]
async fn calls_without_a_table_are_refused_and_say_how_it_is_created() {
    let table = Table::named();
    let store = table.open().await;
    let key = fresh_key();
    for error in [
        store.create(&key, &record(1, 1), at(0)).await.unwrap_err(),
        store.load(&key).await.unwrap_err(),
        store.delete(&key).await.unwrap_err(),
        store.count(at(0)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(cause(&error).contains("migrate()"), "{error:?}");
    }
    store.migrate().await.unwrap();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
}
