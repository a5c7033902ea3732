//! What a session costs over the bare commands that it comes down to, on Redis and PostgreSQL; and how soon a lock changes
//! hands, in round trips.
//!
//! `cargo run --release -p cloakroom-benches --bin driver-cost`
//!
//! Starts servers of its own. Calls and their bare counterparts take turns, some at a time, so that both see the same
//! machine. A session's read and write are
//! whole requests, from the cookie to what is to be answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::adapter::{Answer, RequestHead};
use cloakroom::{SessionKey, SessionManager, Settings};
use cloakroom_benches::requests::{Bench, Kind};
use cloakroom_benches::{Times, key};
use cloakroom_redis::RedisStore;
use cloakroom_sqlx::PostgresStore;
use cloakroom_store::{Acquired, Claim, DynStore, Key, LeaseId, Record, Revision, Timestamp};
use cloakroom_test_services::server;
use redis::aio::ConnectionManager;
use sqlx::{Connection, PgConnection, Row};
use tokio::sync::Mutex;

fn main() {
    // One thread, so that no time is spent on waking another one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let server = server::Redis::start_with(&["--appendonly", "no"]);
        let [one, other] = [RedisStore::connect(server.url()).await, RedisStore::connect(server.url()).await];
        let stores = [Arc::new(one.expect("Redis")) as Arc<dyn DynStore>, Arc::new(other.expect("Redis"))];
        compare("Redis", &BareRedis::new(server.url()).await, stores).await;

        let server = server::Postgres::start();
        let [one, other] =
            [PostgresStore::connect(server.url()).await, PostgresStore::connect(server.url()).await];
        let [one, other] = [one.expect("PostgreSQL"), other.expect("PostgreSQL")];
        one.migrate().await.expect("a table");
        let stores = [Arc::new(one) as Arc<dyn DynStore>, Arc::new(other)];
        compare("PostgreSQL", &BarePostgres::new(server.url()).await, stores).await;
    });
}

/// What a session comes down to, written by hand. A record is a number, a time, and some bytes.
trait Bare {
    /// The shortest question there is.
    async fn ping(&self);
    /// Reads all of the record; its revision.
    async fn read(&self) -> i64;
    /// Writes all of it if it has this revision, and gives it the next.
    async fn write(&self, revision: i64, data: &[u8]);
}

async fn compare(name: &str, bare: &impl Bare, stores: [Arc<dyn DynStore>; 2]) {
    println!("{name}");
    let [mut reads, mut writes, mut bare_reads, mut bare_writes] = [(); 4].map(|()| Times::default());
    let [mut loads, mut replaces] = [(); 2].map(|()| Times::default());
    let visit = Visit::new(&stores[0]).await;
    let (key, mut record) = (key(1), record(1));
    Arc::clone(&stores[0]).create(key, record.clone(), Timestamp::from_millis(0)).await.expect("a create");
    let mut number = 0;
    for round in 0..=ROUNDS {
        if round == 1 {
            // Now everything is prepared.
            for times in
                [&mut reads, &mut writes, &mut bare_reads, &mut bare_writes, &mut loads, &mut replaces]
            {
                *times = Times::default();
            }
        }
        for _ in 0..BATCH {
            timed(&mut bare_reads, bare.read()).await;
        }
        for _ in 0..BATCH {
            timed(&mut reads, visit.read()).await;
        }
        for _ in 0..BATCH {
            timed(&mut loads, Arc::clone(&stores[0]).load(key)).await.expect("a load");
        }
        for _ in 0..BATCH {
            number += 1;
            let data = format!("{DATA}{number}");
            timed(&mut bare_writes, async { bare.write(bare.read().await, data.as_bytes()).await }).await;
        }
        for _ in 0..BATCH {
            timed(&mut writes, visit.write()).await;
        }
        for _ in 0..BATCH {
            number += 1;
            record.data = format!("{DATA}{number}").as_bytes().into();
            timed(&mut replaces, async {
                let seen = Arc::clone(&stores[0]).load(key).await.expect("a load").expect("a record");
                record.revision = Revision::new(seen.revision.get() + 1);
                Arc::clone(&stores[0])
                    .replace(key, record.clone(), seen.revision, Timestamp::from_millis(0))
                    .await
                    .expect("a replace");
            })
            .await;
        }
    }
    for (what, ours, bare) in [
        ("load", &loads, &bare_reads),
        ("session read", &reads, &bare_reads),
        ("load and replace", &replaces, &bare_writes),
        ("session write", &writes, &bare_writes),
    ] {
        let (ours, bare) = (ours.median(), bare.median());
        println!("  {what:<18} {ours:>8.1?}, bare {bare:>8.1?}: {:.2} times", ratio(ours, bare));
    }
    hand_over(bare, &stores).await;
}

/// Two holders on stores of their own pass a lease to each other: from the release to the moment at which the other has it.
async fn hand_over(bare: &impl Bare, stores: &[Arc<dyn DynStore>; 2]) {
    let key = key(2);
    Arc::clone(&stores[0]).create(key, record(1), Timestamp::from_millis(0)).await.expect("a create");
    let (mut pings, mut times) = (Times::default(), Times::default());
    assert!(acquire(&stores[0], key, 0).await);
    for turn in 0..TURNS {
        tokio::time::sleep(PAUSE).await;
        timed(&mut pings, bare.ping()).await;
        let (holder, next) = (&stores[turn % 2], Arc::clone(&stores[(turn + 1) % 2]));
        let waiter = tokio::spawn(async move {
            while !acquire(&next, key, turn as u64 + 1).await {
                next.facets()
                    .leases
                    .expect("leases")
                    .wait(key, Duration::from_secs(10))
                    .await
                    .expect("a wait");
            }
            Instant::now()
        });
        // Until the waiter waits.
        tokio::time::sleep(PAUSE).await;
        let began = Instant::now();
        let released = holder.facets().leases.expect("leases").release(key, LeaseId::new(turn as u64)).await;
        assert!(released.expect("a release"));
        times.push(waiter.await.expect("the waiter").duration_since(began));
    }
    let (hand_over, ping) = (times.median(), pings.median());
    println!(
        "  hand-over          {hand_over:>8.1?}, a round trip {ping:>8.1?}: {:.2} round trips",
        ratio(hand_over, ping)
    );
}

async fn acquire(store: &Arc<dyn DynStore>, key: Key, lease: u64) -> bool {
    let now = Timestamp::from_millis(4_000_000_000_000);
    let claim = Claim::new(LeaseId::new(lease), now, Duration::from_secs(30), Revision::new(99));
    let acquired = store.facets().leases.expect("leases").acquire(key, claim).await.expect("an acquire");
    matches!(acquired, Acquired::Held(_))
}

async fn timed<T>(times: &mut Times, call: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = call.await;
    times.push(began.elapsed());
    answer
}

fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}

/// A request, without what a framework adds to it.
struct Visit {
    sessions: SessionManager,
    cookie: String,
}

impl Visit {
    async fn new(store: &Arc<dyn DynStore>) -> Self {
        let settings = Settings::new().sweep_interval(Duration::ZERO);
        let cookie = Bench::over(Arc::clone(store), Kind::Write, settings.clone()).await.cookie().to_owned();
        Self { sessions: SessionManager::with_store(Arc::clone(store), settings).expect("settings"), cookie }
    }

    async fn read(&self) -> u64 {
        let session = self.sessions.open(self);
        let count = session.get(COUNT).await.expect("a read").expect("a count");
        session.close(200).await;
        count
    }

    async fn write(&self) {
        let session = self.sessions.open(self);
        let count = session.get(COUNT).await.expect("a read").expect("a count");
        session.insert(COUNT, &(count + 1)).await.expect("a number");
        assert!(matches!(session.close(200).await, Answer::Keep(_)));
    }
}

impl RequestHead for Visit {
    fn method(&self) -> &str {
        "GET"
    }

    fn peer(&self) -> Option<IpAddr> {
        None
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        if name == "cookie" {
            visit(self.cookie.as_bytes());
        }
    }
}

const COUNT: SessionKey<u64> = SessionKey::new("count");

fn record(revision: u64) -> Record {
    Record::new(Revision::new(revision), Timestamp::from_millis(4_000_000_000_000), DATA.as_bytes())
}

struct BareRedis(ConnectionManager, redis::Script);

impl BareRedis {
    async fn new(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a URL");
        let mut connection = client.get_connection_manager().await.expect("a connection");
        let () = redis::cmd("HSET")
            .arg(&["bare", "r", "1", "e", "4000000000000", "d", DATA])
            .query_async(&mut connection)
            .await
            .expect("a hash");
        let script = redis::Script::new(
            "if redis.call('HGET', KEYS[1], 'r') ~= ARGV[1] then return 0 end \
             redis.call('HSET', KEYS[1], 'r', ARGV[2], 'e', ARGV[3], 'd', ARGV[4]) \
             redis.call('PEXPIREAT', KEYS[1], ARGV[3]) return 1",
        );
        Self(connection, script)
    }
}

impl Bare for BareRedis {
    async fn ping(&self) {
        let () = redis::cmd("PING").query_async(&mut self.0.clone()).await.expect("a pong");
    }

    async fn read(&self) -> i64 {
        let read: (i64, u64, Vec<u8>) = redis::cmd("HMGET")
            .arg(&["bare", "r", "e", "d"])
            .query_async(&mut self.0.clone())
            .await
            .expect("a hash");
        read.0
    }

    async fn write(&self, revision: i64, data: &[u8]) {
        let written: u8 = self
            .1
            .key("bare")
            .arg(revision)
            .arg(revision + 1)
            .arg(4_000_000_000_000_u64)
            .arg(data)
            .invoke_async(&mut self.0.clone())
            .await
            .expect("a write");
        assert_eq!(written, 1);
    }
}

/// One connection, without a pool, whose pings would cost more than what is measured.
struct BarePostgres(Mutex<PgConnection>);

impl BarePostgres {
    async fn new(url: &str) -> Self {
        let mut connection = PgConnection::connect(url).await.expect("a connection");
        for statement in [
            "CREATE TABLE bare (key bytea PRIMARY KEY, revision bigint, expires_at bigint, subject bytea, data bytea)",
            "CREATE INDEX ON bare (expires_at)",
            "CREATE INDEX ON bare (subject)",
        ] {
            sqlx::query(statement).execute(&mut connection).await.expect("a table");
        }
        let insert = sqlx::query("INSERT INTO bare VALUES ($1, 1, 4000000000000, NULL, $2)");
        insert
            .bind(key(1).as_bytes().as_slice())
            .bind(DATA.as_bytes())
            .execute(&mut connection)
            .await
            .expect("a row");
        Self(Mutex::new(connection))
    }
}

impl Bare for BarePostgres {
    async fn ping(&self) {
        sqlx::query("SELECT 1").execute(&mut *self.0.lock().await).await.expect("one");
    }

    async fn read(&self) -> i64 {
        let query = sqlx::query("SELECT revision, expires_at, subject, data FROM bare WHERE key = $1");
        let row = query
            .bind(key(1).as_bytes().as_slice())
            .fetch_one(&mut *self.0.lock().await)
            .await
            .expect("a row");
        assert!(row.get::<Vec<u8>, _>(3).len() >= DATA.len());
        row.get(0)
    }

    async fn write(&self, revision: i64, data: &[u8]) {
        let update = sqlx::query(
            "UPDATE bare SET revision = $3, expires_at = $4, subject = NULL, data = $5 WHERE key = $1 AND revision = $2",
        );
        let update = update.bind(key(1).as_bytes().as_slice().to_owned()).bind(revision).bind(revision + 1);
        let done = update
            .bind(4_000_000_000_000_i64)
            .bind(data.to_owned())
            .execute(&mut *self.0.lock().await)
            .await
            .expect("an update");
        assert_eq!(done.rows_affected(), 1);
    }
}

const ROUNDS: usize = 200;
/// So many of a kind follow each other, as on a busy site.
const BATCH: usize = 25;
const TURNS: usize = 500;
const PAUSE: Duration = Duration::from_millis(5);
/// About what a session holds.
const DATA: &str = "{\"name\":\"a visitor\",\"cart\":[1,2,3,4,5,6,7,8,9,10,11,12],\"theme\":\"dark\",\"visits\":12345,\"seen\":\"2026-11-20T12:00:00Z\",\"flash\":null}";
