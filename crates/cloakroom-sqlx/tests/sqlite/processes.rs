//! Several processes that share the file.

use std::process::Command;
use std::{env, process};

use cloakroom_sqlx::SqliteStore;
use cloakroom_store::ErrorKind::Conflict;
use cloakroom_store::{Key, Record, Revision, Store};

use crate::database::Database;
use crate::shared::at;

/// The test runs itself as the second process.
#[tokio::test(flavor = "multi_thread")]
async fn no_update_of_two_processes_is_lost() {
    const FILE: &str = "CLOAKROOM_TEST_SHARED_FILE";
    let key = Key::new([9; 32]);
    if let Some(path) = env::var_os(FILE) {
        count_up(&SqliteStore::open(path).await.unwrap(), &key).await;
        return;
    }
    let Database { path, folder: _folder } = Database::new();
    let store = SqliteStore::open(&path).await.unwrap();
    store.migrate().await.unwrap();
    store.create(&key, &numbered(0, 0), at(0)).await.unwrap();
    let mut other = Command::new(env::current_exe().unwrap())
        .args(["--exact", "processes::no_update_of_two_processes_is_lost"])
        .env(FILE, &path)
        .spawn()
        .unwrap();
    count_up(&store, &key).await;
    assert!(other.wait().unwrap().success());
    assert_eq!(number(&store.load(&key).await.unwrap().unwrap()), 2 * TIMES);
}

const TIMES: u64 = 300;

async fn count_up(store: &SqliteStore, key: &Key) {
    let mut revision = u64::from(process::id()) << 32;
    for _ in 0..TIMES {
        loop {
            let seen = store.load(key).await.unwrap().unwrap();
            revision += 1;
            match store.replace(key, &numbered(revision, number(&seen) + 1), seen.revision, at(0)).await {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), Conflict, "{error:?}"),
            }
        }
    }
}

fn numbered(revision: u64, number: u64) -> Record {
    Record::new(Revision::new(revision), at(1), number.to_le_bytes())
}

fn number(record: &Record) -> u64 {
    u64::from_le_bytes((&*record.data).try_into().unwrap())
}
