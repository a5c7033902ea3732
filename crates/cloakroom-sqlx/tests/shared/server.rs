//! The tests that are the same for every database that is a server.

use std::time::{Duration, SystemTime};

use cloakroom_sqlx::OpenErrorKind;
use cloakroom_store::ErrorKind::{self, Unavailable};
use cloakroom_store::{Applied, Store as _, Timestamp};
use sqlx::{Executor, query_scalar};

use crate::database::Database;
use crate::dialect::{
    ADMIN, CASCADE, CONNECTION_ID, CREATE_USER, DROP_USER, IS_CONNECTED, KILL, Pool, PoolOptions, READ_ONLY,
    SCHEME, SHORT_LOCK_WAIT, Server, Store, UPDATING, url,
};
use crate::shared::{Table, at, cause, fresh, fresh_key, fresh_table, record, text, until};
use crate::transactions::lock_rows;

#[tokio::test]
async fn an_unreachable_server_is_one_line_without_the_password() {
    let refused = Database::unreachable().open(Store::builder()).await.unwrap_err();
    assert_eq!(refused.kind(), OpenErrorKind::Unavailable);
    let text = text(&refused);
    assert!(!text.contains("secret") && !text.contains('\n'), "{text}");
    assert!(text.contains("127.0.0.1:1") && text.contains("refused"), "{text}");
}

/// By the clock of an application that runs ahead, everything has expired.
#[tokio::test]
async fn a_purge_removes_only_what_expired_ten_minutes_ago_by_the_clock_of_the_server() {
    let (store, table) = fresh().await;
    let live = fresh_key();
    for (key, minutes) in [(live, 60), (fresh_key(), -9), (fresh_key(), -11)] {
        let expires_at = wall_clock().saturating_add_signed(minutes * 60_000);
        store.create(&key, &record(1, expires_at), at(0)).await.unwrap();
    }
    for cutoff in [Timestamp::MAX, at(wall_clock() + 7_200_000)] {
        assert!(store.purge(cutoff, 10).await.unwrap() <= 1);
    }
    assert!(store.load(&live).await.unwrap().is_some());
    assert_eq!(table.number("SELECT COUNT(*) FROM {table}").await, 2);
    // An earlier cutoff is used as it is.
    let key = fresh_key();
    store.create(&key, &record(1, 5_000), at(0)).await.unwrap();
    assert_eq!(store.purge(at(5_000), 10).await.unwrap(), 0);
    assert_eq!(store.purge(at(5_001), 10).await.unwrap(), 1);
}

/// The time, in milliseconds since the Unix epoch.
#[allow(clippy::disallowed_methods, reason = "the clock of a server is what is tested")]
fn wall_clock() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64
}

#[tokio::test]
async fn an_invalid_url_is_one_line_without_the_password() {
    let refused = Store::connect(&format!("{SCHEME}://ann:secret@127.0.0.1:port/x")).await.unwrap_err();
    assert_eq!(refused.kind(), OpenErrorKind::Config);
    let text = text(&refused);
    assert!(!text.contains("secret") && !text.contains('\n'), "{text}");
}

#[tokio::test]
async fn a_login_that_the_server_rejects_is_refused_without_the_password() {
    let stranger = url().replace(&format!("{ADMIN}@"), "stranger:secret@");
    let (server, _) = url().rsplit_once('/').unwrap();
    for url in [stranger, format!("{server}/no_such_database")] {
        let refused = Store::connect(&url).await.unwrap_err();
        assert_eq!(refused.kind(), OpenErrorKind::Refused, "{refused:?}");
        assert!(refused.to_string().contains("check user, password and database"), "{refused}");
        assert!(!text(&refused).contains("secret"), "{refused:?}");
    }
}

#[tokio::test]
async fn after_a_restart_of_the_server_reads_find_no_broken_connection() {
    let mut server = Server::start();
    let store = Store::connect(server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9), at(0)).await.unwrap();
    let ends: [fn(&mut Server); 2] = [|server| server.kill(), |server| server.stop()];
    for end in ends {
        end(&mut server);
        assert_eq!(store.load(&key).await.unwrap_err().kind(), Unavailable(Applied::No));
        let refused = store.create(&fresh_key(), &record(1, 9), at(0)).await.unwrap_err();
        assert_eq!(refused.kind(), Unavailable(Applied::No), "there is nothing to send it to");
        server.start_again();
        assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));

        // A connection from before the restart, and no call in between.
        end(&mut server);
        server.start_again();
        assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));
        store.create(&fresh_key(), &record(1, 9), at(0)).await.unwrap();
    }
}

/// In a pool that does not test its connections, so that nothing else finds the broken one.
#[tokio::test]
async fn a_broken_connection_of_a_pool_fails_no_read_and_no_write() {
    let (_, table) = fresh().await;
    let (store, pool) = table.in_pool().await;
    let key = fresh_key();
    store.create(&key, &record(1, 9), at(0)).await.unwrap();
    kill(&table, connection_id(&pool).await).await;
    assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));
    kill(&table, connection_id(&pool).await).await;
    store.replace(&key, &record(2, 9), record(1, 9).revision, at(0)).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), Some(record(2, 9)));
}

pub(crate) async fn connection_id(pool: &Pool) -> i64 {
    let id = query_scalar(CONNECTION_ID).fetch_one(pool).await.unwrap();
    until("the pool has the connection back", async || pool.num_idle() == 1).await;
    id
}

async fn kill(table: &Table, connection: i64) {
    table.run(&KILL.replace("{id}", &connection.to_string())).await;
    until_closed(table, connection).await;
}

pub(crate) async fn until_closed(table: &Table, connection: i64) {
    let is_connected = IS_CONNECTED.replace("{id}", &connection.to_string());
    until("the connection is closed", async || table.number(&is_connected).await == 0).await;
}

#[tokio::test]
async fn a_write_whose_connection_breaks_may_have_been_applied_and_is_not_sent_again() {
    let (patient, table) = fresh().await;
    let builder = || table.builder().deadline(Duration::from_secs(60));
    let pool = table.database.pool(PoolOptions::new()).await;
    // In MySQL an own connection gives up waiting for a lock after a second.
    for store in [table.database.open(builder()).await.unwrap(), builder().pool(pool).unwrap()] {
        let key = fresh_key();
        patient.create(&key, &record(1, 9), at(0)).await.unwrap();
        let mut locks = lock_rows(&table).await;
        let kill = async {
            let mut connection = 0;
            until("the write waits for the row", async || {
                connection = table.number(UPDATING).await;
                connection != 0
            })
            .await;
            table.run(&KILL.replace("{id}", &connection.to_string())).await;
        };
        let new = record(2, 9);
        let (replaced, ()) = tokio::join!(store.replace(&key, &new, record(1, 9).revision, at(0)), kill);
        assert_eq!(replaced.unwrap_err().kind(), Unavailable(Applied::Maybe));
        locks.execute("ROLLBACK").await.unwrap();
        assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)));
    }
}

#[tokio::test]
async fn a_write_without_a_reply_in_time_may_have_been_applied() {
    let (patient, table) = fresh().await;
    let key = fresh_key();
    patient.create(&key, &record(1, 9), at(0)).await.unwrap();
    let mut locks = lock_rows(&table).await;
    // Own connections have limits, so that the server would reply in time.
    let pool = table.database.pool(PoolOptions::new().max_connections(1)).await;
    let store = table.builder().deadline(Duration::from_secs(1)).pool(pool).unwrap();
    let late = store.replace(&key, &record(2, 9), record(1, 9).revision, at(0)).await.unwrap_err();
    assert_eq!(late.kind(), Unavailable(Applied::Maybe));
    assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 9)), "its only connection is free again");

    // Waiting for the connection counts, and then nothing has been sent.
    let (slow, next) = tokio::join!(store.touch(&key, at(1), at(99)), store.delete(&key));
    assert_eq!(slow.unwrap_err().kind(), Unavailable(Applied::Maybe));
    assert_eq!(next.unwrap_err().kind(), Unavailable(Applied::No));
    locks.execute("ROLLBACK").await.unwrap();
}

/// Otherwise a row that is locked for long would cost the server a connection for each call that gave up.
#[tokio::test]
async fn the_server_works_on_no_more_calls_than_there_are_connections() {
    let (patient, table) = fresh().await;
    let key = fresh_key();
    patient.create(&key, &record(1, 9), at(0)).await.unwrap();
    let mut locks = lock_rows(&table).await;
    let builder = table.builder().max_connections(2).deadline(Duration::from_secs(4));
    let store = table.database.open(builder).await.unwrap();
    for _ in 0..2 {
        let (one, other) = tokio::join!(store.touch(&key, at(1), at(99)), store.touch(&key, at(1), at(99)));
        for refused in [one, other] {
            assert_eq!(refused.unwrap_err().kind(), Unavailable(Applied::No), "known before the deadline");
        }
        // What has been replied to may still be listed for a moment.
        until("the server works on nothing", async || table.number(UPDATING).await == 0).await;
    }
    locks.execute("ROLLBACK").await.unwrap();
    assert!(store.touch(&key, at(1), at(99)).await.unwrap());
}

#[tokio::test]
async fn a_refused_write_is_not_applied_and_costs_the_pool_no_connection() {
    let (patient, table) = fresh().await;
    let (store, pool) = table.in_pool().await;
    let key = fresh_key();
    patient.create(&key, &record(1, 9), at(0)).await.unwrap();
    let before = connection_id(&pool).await;
    pool.execute(SHORT_LOCK_WAIT).await.unwrap();
    let mut locks = lock_rows(&table).await;
    let refused = store.replace(&key, &record(2, 9), record(1, 9).revision, at(0)).await.unwrap_err();
    assert_eq!(refused.kind(), Unavailable(Applied::No), "{refused:?}");
    locks.execute("ROLLBACK").await.unwrap();
    assert_eq!(before, connection_id(&pool).await);

    // After a failover, the next call needs another connection to find the new primary.
    pool.execute(READ_ONLY).await.unwrap();
    assert_eq!(store.delete(&key).await.unwrap_err().kind(), Unavailable(Applied::No));
    assert_ne!(before, connection_id(&pool).await);
    assert_eq!(patient.load(&key).await.unwrap(), Some(record(1, 9)));
}

#[tokio::test]
async fn an_error_shows_nothing_that_is_stored() {
    let (store, table) = fresh().await;
    table.run("ALTER TABLE {table} ADD CONSTRAINT early CHECK (expires_at < 100)").await;
    let key = fresh_key();
    let error = store.create(&key, &record(1, 100), at(0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    store.create(&key, &record(1, 9), at(0)).await.unwrap();
    let exists = store.create(&key, &record(1, 9), at(0)).await.unwrap_err();
    let text = format!("{error:?} {error} {exists:?} {exists} {store:?} {:?}", table.builder());
    assert!(text.contains("early") && !text.contains("0707") && !text.contains(r"\x07"), "{text}");
    assert!(!text.contains("data") && !text.contains(SCHEME), "{text}");
}

#[tokio::test]
async fn a_user_who_may_not_create_tables_can_use_one_that_exists() {
    let (_, table) = fresh().await;
    let user = fresh_table();
    table.run(&CREATE_USER.replace("{user}", &user)).await;
    let url = url().replace(&format!("{ADMIN}@"), &format!("{user}@"));
    let store = table.builder().connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    assert!(store.delete(&key).await.unwrap());

    let store = Table::named().builder().connect(&url).await.unwrap();
    let refused = store.migrate().await.unwrap_err();
    assert_eq!(refused.kind(), OpenErrorKind::Refused);
    assert!(refused.to_string().contains("schema()") && text(&refused).contains("denied"), "{refused:?}");
    table.run(&DROP_USER.replace("{user}", &user)).await;
}

#[tokio::test]
async fn calls_without_rights_are_refused_until_they_are_granted() {
    let ((_, table), (store, other)) = (fresh().await, fresh().await);
    let user = fresh_table();
    // The rights are for another table.
    table.run(&CREATE_USER.replace("{user}", &user)).await;
    let url = url().replace(&format!("{ADMIN}@"), &format!("{user}@"));
    let users = other.builder().connect(&url).await.unwrap();
    let key = fresh_key();
    for error in
        [users.create(&key, &record(1, 1), at(0)).await.unwrap_err(), users.load(&key).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(cause(&error).contains("denied"), "{error:?}");
    }
    assert_eq!(store.load(&key).await.unwrap(), None);
    let host = if SCHEME == "mysql" { "@127.0.0.1" } else { "" };
    let privileges = "SELECT, INSERT, UPDATE, DELETE";
    other.run(&format!("GRANT {privileges} ON {{table}} TO {user}{host}")).await;
    users.create(&key, &record(1, 1), at(0)).await.unwrap();
    other.run(&format!("REVOKE {privileges} ON {{table}} FROM {user}{host}")).await;
    table.run(&DROP_USER.replace("{user}", &user)).await;
}

#[tokio::test]
async fn a_table_may_be_in_a_schema() {
    let table = Table::named();
    table.run("CREATE SCHEMA {table}").await;
    let store = table.database.open(Store::builder().table(format!("{table}.Sessions"))).await.unwrap();
    store.migrate().await.unwrap();
    store.create(&fresh_key(), &record(1, 1), at(0)).await.unwrap();
    store.migrate().await.unwrap();
    let tables = "SELECT COUNT(*) FROM information_schema.tables \
        WHERE table_schema = '{table}' AND table_name = 'Sessions'";
    assert_eq!(table.number(tables).await, 1);
    table.run(&format!("DROP SCHEMA {{table}} {CASCADE}")).await;
}
