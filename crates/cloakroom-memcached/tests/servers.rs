//! Real servers that go away, are full, or are set up so that no sessions can be kept in them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    pub(crate) mod raw;
    pub(crate) mod record;
}

use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use cloakroom_memcached::MemcachedStore;
use cloakroom_store::ErrorKind::{Exists, Missing, Refused, TooLarge};
use cloakroom_store::{Acquired, Leases, OpenErrorKind, Revision, Store};
use cloakroom_test_services::server::Memcached;
use support::raw::{Raw, unique_prefix};
use support::record::{CLEARLY_NOT, MAYBE, at, claim, key, kind, record};

async fn connect(server: &Memcached) -> MemcachedStore {
    MemcachedStore::connect(server.url()).await.unwrap()
}

fn address(server: &Memcached) -> &str {
    server.url().strip_prefix("memcached://").unwrap()
}

/// How many of the first 64 sessions a server has.
fn held(server: &Memcached, prefix: &str) -> usize {
    let mut server = Raw::connect(address(server));
    (0..64).filter(|n| server.get(&format!("{prefix}{}", key(*n))).is_some()).count()
}

#[allow(clippy::disallowed_methods, reason = "measures how long an outage lasts")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[tokio::test]
async fn a_server_that_was_restarted_is_used_again_and_has_forgotten_everything() {
    let mut server = Memcached::start();
    let store = connect(&server).await;
    store.create(&key(1), &record(1, b"data"), at(0)).await.unwrap();

    server.kill();
    for _ in 0..3 {
        assert_eq!(kind(store.load(&key(1)).await), CLEARLY_NOT, "an outage is no missing session");
    }
    assert_eq!(kind(store.create(&key(2), &record(1, b"data"), at(0)).await), CLEARLY_NOT);
    assert_eq!(kind(store.replace(&key(1), &record(2, b"new"), Revision::new(1), at(0)).await), CLEARLY_NOT);
    assert_eq!(kind(store.delete(&key(1)).await), CLEARLY_NOT);

    server.start_again();
    let back = now();
    let loaded = loop {
        match store.load(&key(1)).await {
            Ok(loaded) => break loaded,
            Err(error) => assert_eq!(error.kind(), CLEARLY_NOT),
        }
        assert!(back.elapsed().unwrap() < Duration::from_secs(2), "service resumes within two seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(loaded, None);
    assert_eq!(kind(store.replace(&key(1), &record(2, b"new"), Revision::new(1), at(0)).await), Missing);
    store.create(&key(1), &record(3, b"data"), at(0)).await.unwrap();
}

#[tokio::test]
async fn a_restart_between_two_calls_is_not_noticed() {
    let mut server = Memcached::start();
    let store = connect(&server).await;
    store.create(&key(1), &record(1, b"data"), at(0)).await.unwrap();
    server.kill();
    server.start_again();
    // Gives this thread to the connection, which sees its end at once.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(store.load(&key(1)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_given_up_at_the_deadline_and_found_again() {
    let mut server = Memcached::start();
    let builder = MemcachedStore::builder().deadline(Duration::from_millis(300));
    let store = builder.connect(server.url()).await.unwrap();
    store.create(&key(1), &record(1, b"data"), at(0)).await.unwrap();
    server.pause();
    let began = now();
    assert_eq!(kind(store.delete(&key(2)).await), MAYBE);
    let waited = began.elapsed().unwrap();
    assert!(waited >= Duration::from_millis(300), "it was waited for: {waited:?}");
    assert!(waited < Duration::from_secs(2), "but not for long: {waited:?}");
    assert_eq!(kind(store.load(&key(1)).await), CLEARLY_NOT);
    server.resume();
    let back = now();
    while store.load(&key(1)).await.is_err() {
        assert!(back.elapsed().unwrap() < Duration::from_secs(2), "service resumes within two seconds");
    }
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(record(1, b"data")));
}

#[tokio::test]
async fn a_server_that_is_down_at_start_is_one_clear_line() {
    let mut server = Memcached::start();
    let url = server.url().to_owned();
    server.kill();
    let error = MemcachedStore::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Unavailable, "{error}");
    let line = error.to_string();
    let at = url.strip_prefix("memcached://").unwrap();
    assert!(line.starts_with(&format!("cannot reach memcached at {at}: ")), "{line}");
    assert!(line.contains("refused") && !line.contains('\n'), "{line}");
}

#[tokio::test]
async fn of_two_servers_one_that_is_down_takes_its_own_sessions_along_and_no_others() {
    let (one, mut two) = (Memcached::start(), Memcached::start());
    let url = format!("{},{}", one.url(), address(&two));
    let store = MemcachedStore::connect(&url).await.unwrap();
    for n in 0..64 {
        store.create(&key(n), &record(n, b"data"), at(0)).await.unwrap();
    }
    two.kill();
    let mut lost = 0;
    for n in 0..64 {
        match store.load(&key(n)).await {
            Ok(loaded) => assert_eq!(loaded, Some(record(n, b"data"))),
            Err(error) => {
                assert_eq!(error.kind(), CLEARLY_NOT);
                let again = store.create(&key(n), &record(n, b"data"), at(0)).await;
                assert_eq!(kind(again), CLEARLY_NOT, "nothing is made anew on the other server");
                lost += 1;
            }
        }
    }
    assert!((1..64).contains(&lost), "both had some");
    assert_eq!(held(&one, "cloakroom:"), 64 - lost);
}

#[tokio::test]
async fn each_session_is_on_one_of_two_servers_whatever_their_order() {
    let servers = [Memcached::start(), Memcached::start()];
    let [one, two] = [address(&servers[0]), address(&servers[1])];
    let prefix = unique_prefix();
    let builder = MemcachedStore::builder().prefix(&prefix);
    let store = builder.connect(&format!("memcached://{one},{two}")).await.unwrap();
    let other = builder.connect(&format!("memcached://{two},{one}")).await.unwrap();
    for n in 0..64 {
        store.create(&key(n), &record(n, b"data"), at(0)).await.unwrap();
        assert_eq!(kind(other.create(&key(n), &record(n, b"data"), at(0)).await), Exists);
        assert_eq!(other.load(&key(n)).await.unwrap(), Some(record(n, b"data")));
    }
    let counts = servers.each_ref().map(|server| held(server, &prefix));
    assert_eq!(counts.iter().sum::<usize>(), 64, "each is there once: {counts:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[tokio::test]
async fn what_the_server_evicted_is_gone_like_any_expired_session() {
    let server = Memcached::start_with(&["-m", "2"]);
    let store = connect(&server).await;
    assert!(store.may_evict());
    for n in 0..64 {
        store.create(&key(n), &record(n, &[0; 100_000]), at(0)).await.unwrap();
    }
    assert_eq!(store.load(&key(0)).await.unwrap(), None, "64 times 100 kB do not fit 2 MB");
    assert_eq!(store.load(&key(63)).await.unwrap(), Some(record(63, &[0; 100_000])));
    assert_eq!(kind(store.replace(&key(0), &record(99, b"new"), Revision::new(0), at(0)).await), Missing);
    assert_eq!(store.load(&key(0)).await.unwrap(), None, "it is not revived");
}

/// Why `-M` is no way to keep sessions.
#[tokio::test]
async fn a_full_server_that_evicts_nothing_refuses_new_sessions_and_loses_changed_ones() {
    let server = Memcached::start_with(&["-m", "2", "-M"]);
    let store = connect(&server).await;
    assert!(!store.may_evict());
    let mut full = 0;
    let refused = loop {
        match store.create(&key(full), &record(full, &[0; 5_000]), at(0)).await {
            Ok(()) => full += 1,
            Err(error) => break error,
        }
        assert!(full < 1_000, "1,000 times 5 kB do not fit 2 MB");
    };
    assert_eq!(refused.kind(), MAYBE);
    assert_eq!(store.load(&key(full)).await.unwrap(), None);

    assert_eq!(store.load(&key(1)).await.unwrap(), Some(record(1, &[0; 5_000])));
    assert_eq!(
        kind(store.create(&key(1), &record(99, &[1; 5_000]), at(0)).await),
        MAYBE,
        "it is not said to be there"
    );
    assert_eq!(store.load(&key(1)).await.unwrap(), None, "memcached removed it, although it was to add only");
    store.create(&key(full), &record(full, &[0; 5_000]), at(0)).await.unwrap();

    let replaced = store.replace(&key(0), &record(99, &[1; 5_000]), Revision::new(0), at(0)).await;
    assert_eq!(kind(replaced), MAYBE, "memcached removes what it cannot replace");
    assert_eq!(store.load(&key(0)).await.unwrap(), None);
}

#[tokio::test]
async fn a_full_server_that_refuses_a_value_of_many_chunks_stays_in_step() {
    let server = Memcached::start_with(&["-m", "2", "-M"]);
    let store = connect(&server).await;
    let large = |revision| record(revision, &[0; 700_000]);
    for n in 0..6 {
        let (first, this, new) = (key(0), key(n), large(n));
        let (created, loaded) = tokio::join!(store.create(&this, &new, at(0)), store.load(&first));
        match (n, created) {
            (..3, Ok(())) => {}
            (1.., Err(error)) => {
                assert_eq!(error.kind(), MAYBE);
                let reason = std::error::Error::source(&error).unwrap().to_string();
                assert!(reason.contains("no memory"), "{reason}");
            }
            (n, created) => panic!("{n}: {created:?}"),
        }
        assert_eq!(loaded.unwrap(), Some(large(0)), "the next answer is the next request's");
    }
}

/// Memcached itself removes the old one.
#[tokio::test]
async fn a_record_that_is_too_large_leaves_the_old_one() {
    let server = Memcached::start();
    let store = connect(&server).await;
    store.create(&key(1), &record(1, b"data"), at(0)).await.unwrap();
    // With all that goes with it, memcached 1.6.18 takes 1,048,365 bytes.
    let lens = [1_047_900, 1_048_350, 1_048_366, 1_048_390, 1_048_410, 1_048_500, 2 << 20];
    let mut stored = record(1, b"data");
    let mut refused = 0;
    for (revision, len) in (2..).zip(lens) {
        let large = record(revision, &vec![0; len]);
        match store.replace(&key(1), &large, stored.revision, at(0)).await {
            Ok(()) => stored = large,
            Err(error) => {
                assert_eq!(error.kind(), TooLarge);
                assert_eq!(kind(store.create(&key(1), &large, at(0)).await), TooLarge);
                refused += 1;
            }
        }
        assert_eq!(store.load(&key(1)).await.unwrap(), Some(stored.clone()), "after {len} bytes");
    }
    assert!((5..7).contains(&refused), "some fit and others do not: {refused}");
}

#[tokio::test]
async fn the_largest_record_that_is_taken_can_be_leased_touched_and_replaced() {
    for largest_item in [256 << 10, 1 << 20] {
        let server = Memcached::start_with(&["-I", &largest_item.to_string(), "-o", "slab_chunk_max=131072"]);
        let store = connect(&server).await;
        let (mut fits, mut too_large) = (largest_item - 2_048, largest_item);
        while too_large - fits > 1 {
            let len = usize::midpoint(fits, too_large);
            match store.create(&key(len as u64), &record(1, &vec![0; len]), at(0)).await {
                Ok(()) => fits = len,
                Err(error) => {
                    assert_eq!(error.kind(), TooLarge);
                    too_large = len;
                }
            }
        }
        assert!(fits > largest_item - 1_024, "little is given away: {fits}");
        let (key, largest) = (key(fits as u64), record(1, &vec![0; fits]));
        let acquired = store.acquire(&key, &claim(u64::MAX, at(0))).await.unwrap();
        assert_eq!(acquired, Acquired::Held(largest.clone()));
        assert!(store.touch(&key, at(0).saturating_sub(Duration::from_secs(1)), at(1)).await.unwrap());
        let new = record(2, &largest.data);
        store.replace(&key, &new, Revision::new(1), at(0)).await.unwrap();
        assert_eq!(store.load(&key).await.unwrap(), Some(new));
    }
}

#[tokio::test]
async fn a_server_that_takes_no_more_connections_is_not_taken_for_something_else() {
    let server = Memcached::start_with(&["-c", "40"]);
    let mut others = Vec::new();
    while others.len() < 40 {
        let mut other = Raw::connect(address(&server));
        if other.ask(b"mn\r\n") != "MN" {
            break;
        }
        others.push(other);
    }
    assert!(others.len() < 40, "it is full by now");
    let error = MemcachedStore::connect(server.url()).await.unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("start it with a larger -c"), "{error}");
}

/// Where `localhost` has two addresses, memcached listens on one of them here.
#[tokio::test]
async fn localhost_is_one_server() {
    let mut server = Memcached::start();
    let port = address(&server).rsplit_once(':').unwrap().1.to_owned();
    let store = MemcachedStore::connect(&format!("memcached://localhost:{port}")).await.unwrap();
    store.create(&key(1), &record(1, b"data"), at(0)).await.unwrap();
    server.kill();
    server.start_again();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(store.load(&key(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_without_cas_numbers_is_refused() {
    let server = Memcached::start_with(&["-C"]);
    let error = MemcachedStore::connect(server.url()).await.unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("start it without -C"), "{error}");
}

#[tokio::test]
async fn a_server_that_comes_back_and_can_keep_no_sessions_is_refused() {
    let mut server = Memcached::start();
    let store = connect(&server).await;
    server.kill();
    let _other = KilledOnDrop::start_on(&server, &["-C"]);
    let back = now();
    while kind(store.load(&key(1)).await) != Refused {
        assert!(back.elapsed().unwrap() < Duration::from_secs(10), "it says so when it is connected to");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused = store.create(&key(1), &record(1, b"data"), at(0)).await.unwrap_err();
    assert_eq!(refused.kind(), Refused);
    assert!(format!("{refused:?}").contains("start it without -C"), "{refused:?}");
}

#[tokio::test]
async fn a_server_of_small_items_is_refused() {
    let server = Memcached::start_with(&["-I", "128k", "-o", "slab_chunk_max=65536"]);
    let error = MemcachedStore::connect(server.url()).await.unwrap_err();
    assert!(error.to_string().contains("-I 1m"), "{error}");
}

#[tokio::test]
async fn a_prefix_that_cannot_begin_a_key_is_refused_before_anything_is_asked() {
    let longest = "p".repeat(186);
    for bad in ["a b", "a\n", "a\0", "\u{7f}", "\u{e9}", &format!("{longest}p")] {
        let refused = MemcachedStore::builder().prefix(bad).connect("memcached://127.0.0.1:1").await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), OpenErrorKind::Config);
        assert!(refused.to_string().contains("cannot be the prefix"), "{refused}");
    }
    let server = Memcached::start();
    for good in ["", &longest] {
        let store = MemcachedStore::builder().prefix(good).connect(server.url()).await.unwrap();
        store.create(&key(1), &record(1, b"data"), at(0)).await.unwrap();
        assert_eq!(store.load(&key(1)).await.unwrap(), Some(record(1, b"data")));
    }
}

#[tokio::test]
async fn stores_with_different_prefixes_share_a_server_and_no_sessions() {
    let server = Memcached::start();
    let store = async |prefix| MemcachedStore::builder().prefix(prefix).connect(server.url()).await.unwrap();
    let (one, two) = (store("one:").await, store("two:").await);
    one.create(&key(1), &record(1, b"data"), at(0)).await.unwrap();
    assert_eq!(two.load(&key(1)).await.unwrap(), None);
    assert!(!two.delete(&key(1)).await.unwrap());
    assert_eq!(one.load(&key(1)).await.unwrap(), Some(record(1, b"data")));
    assert!(Raw::connect(address(&server)).get(&format!("one:{}", key(1))).is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_an_address_as_well() {
    let folder = tempfile::tempdir().unwrap();
    // Memcached runs as another user where the test is root.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let path = folder.path().join("m.sock");
    let url = format!("memcached+unix://{}", path.display());
    let refused = MemcachedStore::connect(&url).await.unwrap_err();
    assert_eq!(refused.kind(), OpenErrorKind::Unavailable, "{refused}");

    let program = cloakroom_test_services::find_program("memcached").expect("memcached is installed");
    let options = ["-s", path.to_str().unwrap(), "-a", "777", "-u", "nobody"];
    let mut server = KilledOnDrop(Command::new(program).args(options).spawn().unwrap());
    let started = async {
        loop {
            if let Ok(store) = MemcachedStore::connect(&url).await {
                return store;
            }
            assert!(server.0.try_wait().unwrap().is_none(), "memcached does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let store = tokio::time::timeout(Duration::from_secs(10), started).await.expect("it answers");
    store.create(&key(1), &record(1, b"data"), at(0)).await.unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(record(1, b"data")));
}

struct KilledOnDrop(Child);

impl KilledOnDrop {
    /// Another server in the place of one that was killed.
    fn start_on(gone: &Memcached, options: &[&str]) -> Self {
        let program = cloakroom_test_services::find_program("memcached").expect("memcached is installed");
        let port = address(gone).rsplit_once(':').unwrap().1;
        let place = ["-l", "127.0.0.1", "-p", port, "-U", "0", "-u", "nobody"];
        Self(Command::new(program).args(place).args(options).spawn().unwrap())
    }
}

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).unwrap();
    }
}
