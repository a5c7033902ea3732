//! What the store costs over the bare driver: the same questions on a connection of its own.
//!
//! `cargo run --release -p cloakroom-redis --example compare -- redis://127.0.0.1:6379`

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement on a command line")]

use std::time::{Duration, Instant};

use cloakroom_redis::RedisStore;
use cloakroom_store::{Key, Record, Revision, Store, Timestamp};
use redis::aio::MultiplexedConnection;

/// How often each is done, and how many sessions there are.
const TIMES: u64 = 20_000;
const SESSIONS: u64 = 1_000;
/// A minute before they expire.
const NOW: Timestamp = Timestamp::from_millis(4_102_444_800_000);

/// A conditional write as short as it can be.
const BARE_WRITE: &str = "if redis.call('HGET', KEYS[1], 'r') ~= ARGV[1] then return 0 end \
                          redis.call('HSET', KEYS[1], 'd', ARGV[3], 'r', ARGV[2], 'e', ARGV[4], 's', '') \
                          redis.call('PEXPIRE', KEYS[1], ARGV[5]) return 1";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).expect("the URL of a Redis server that may be written to");
    let store = RedisStore::builder().prefix("compare:").connect(&url).await.unwrap();
    let client = redis::Client::open(url).unwrap();
    let mut bare = client.get_multiplexed_async_connection().await.unwrap();
    for n in 0..SESSIONS {
        store.delete(&key(n)).await.unwrap();
        store.create(&key(n), &record(0), NOW).await.unwrap();
    }
    let script = redis::Script::new(BARE_WRITE);

    // By turns, so that whatever else the machine does falls on both.
    let mut medians: [Vec<Duration>; 4] = Default::default();
    for round in 0..TIMES {
        let key = key(round % SESSIONS);
        let name = format!("compare:{key}");
        let turn = round / SESSIONS;
        let start = Instant::now();
        let fields: Vec<Vec<u8>> = read(&mut bare, &name).await;
        medians[0].push(start.elapsed());
        assert_eq!(fields.len(), 4);

        let start = Instant::now();
        let found = store.load(&key).await.unwrap().unwrap();
        medians[1].push(start.elapsed());

        let start = Instant::now();
        let new = record(2 * turn + 1);
        let data = cloakroom_store::encode(&key, &new);
        let mut call = script.key(&name);
        let call = call.arg(found.revision.get()).arg(new.revision.get()).arg(data);
        let call = call.arg(format!("{:019}", new.expires_at.as_millis())).arg(660_000_u64);
        assert_eq!(call.invoke_async::<i64>(&mut bare).await.unwrap(), 1);
        medians[2].push(start.elapsed());

        let start = Instant::now();
        store.replace(&key, &record(2 * turn + 2), new.revision, NOW).await.unwrap();
        medians[3].push(start.elapsed());
    }
    let [bare_read, read, bare_write, write] = medians.map(median);
    println!("read   bare {bare_read:?}  ours {read:?}  {:.2}", ratio(read, bare_read));
    println!("write  bare {bare_write:?}  ours {write:?}  {:.2}", ratio(write, bare_write));
    println!(
        "both   bare {:?}  ours {:?}  {:.2}",
        bare_read + bare_write,
        read + write,
        ratio(read + write, bare_read + bare_write)
    );
    for n in 0..SESSIONS {
        store.delete(&key(n)).await.unwrap();
    }
}

async fn read(bare: &mut MultiplexedConnection, name: &str) -> Vec<Vec<u8>> {
    redis::cmd("HMGET").arg(name).arg(&["d", "r", "e", "s"]).query_async(bare).await.unwrap()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ratio(ours: Duration, bare: Duration) -> f64 {
    ours.as_secs_f64() / bare.as_secs_f64()
}

fn key(n: u64) -> Key {
    let mut bytes = [7; Key::LEN];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Key::new(bytes)
}

fn record(revision: u64) -> Record {
    Record::new(Revision::new(revision), Timestamp::from_millis(4_102_444_860_000), [7; 200].as_slice())
}
