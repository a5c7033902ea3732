//! What a store makes of servers that lie, fall silent or hang up, at each step of each call.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test program uses some of it")]
mod support {
    pub(crate) mod fake;
    pub(crate) mod record;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloakroom_memcached::MemcachedStore;
use cloakroom_store::ErrorKind::{self, Corrupt};
use cloakroom_store::{LeaseId, Leases, Revision, Store, encode};
use support::fake::{Fake, GREETING, Reaction, item, say};
use support::record::{CLEARLY_NOT, MAYBE, at, claim, key, kind, record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// A store on a server that reacts like this to a get, to a set and to a delete.
async fn store_on(get: Reaction, set: Reaction, delete: Reaction) -> (MemcachedStore, Fake) {
    let fake = Fake::start(move |command| match command {
        "mg" => get.clone(),
        "ms" => set.clone(),
        _ => delete.clone(),
    })
    .await;
    (connect(&fake).await, fake)
}

/// Everything in these tests that waits for its time to be over waits this long.
async fn connect(fake: &Fake) -> MemcachedStore {
    let builder = MemcachedStore::builder().deadline(Duration::from_millis(200));
    builder.connect(&fake.url).await.unwrap()
}

/// The value of a free item with this record under `key(1)`.
fn value(n: u64, revision: u64) -> Vec<u8> {
    [&[1, 0][..], &[0; 16], &encode(&key(n), &record(revision, b"data"))].concat()
}

/// All writes that read first, and what they failed with; each over a connection that is still good.
async fn all_changes(fake: &Fake) -> [ErrorKind; 4] {
    let (before, lease) = (at(0).saturating_sub(Duration::from_secs(1)), LeaseId::new(1));
    let (new, read) = (record(2, b"new"), Revision::new(1));
    [
        kind(connect(fake).await.replace(&key(1), &new, read, at(0)).await),
        kind(connect(fake).await.touch(&key(1), before, at(1)).await),
        kind(connect(fake).await.acquire(&key(1), &claim(1, at(0))).await),
        kind(connect(fake).await.replace_and_release(&key(1), &new, read, lease, at(0)).await),
    ]
}

#[tokio::test]
async fn a_load_from_a_lying_server_fails_and_answers_no_record() {
    let others = value(2, 1);
    let lies = [
        say("VA 1 k$K c7 t600 O999\r\nx\r\n"),
        say("VA 1 kcloakroom:other c7 t600 O$O\r\nx\r\n"),
        say("VA 3 k$K c7 t600 O$O\r\nxxxxxxx\r\n"),
        say("HD k$K O$O\r\n"),
        say("END\r\n"),
        say("SERVER_ERROR out of memory writing get response\r\n"),
        say(b"\x80\x00\x00\x00\r\n"),
        Reaction::HangUp,
        Reaction::Ignore,
        say("VA 100 k$K c7 t600 O$O\r\nno more comes"),
    ];
    for (n, lie) in lies.into_iter().enumerate() {
        let (store, _fake) = store_on(lie, Reaction::HangUp, Reaction::HangUp).await;
        assert_eq!(kind(store.load(&key(1)).await), CLEARLY_NOT, "lie {n}");
    }
    let (store, _fake) = store_on(item(&others), Reaction::HangUp, Reaction::HangUp).await;
    assert_eq!(kind(store.load(&key(1)).await), Corrupt, "a sound record of another key");
}

#[tokio::test]
async fn a_change_that_failed_while_reading_changed_nothing() {
    for reading in [Reaction::HangUp, Reaction::Ignore, say("ERROR\r\n")] {
        let (_store, fake) = store_on(reading, say("HD k$K O$O\r\n"), Reaction::HangUp).await;
        assert_eq!(all_changes(&fake).await, [CLEARLY_NOT; 4]);
        assert_eq!(fake.count("ms"), 0);
    }
}

#[tokio::test]
async fn a_write_without_an_answer_may_have_been_applied_and_is_sent_once() {
    let gone =
        [Reaction::HangUp, Reaction::Ignore, say("HD k$K O0\r\n"), say("CLIENT_ERROR bad data chunk\r\n")];
    for reaction in gone {
        let (_store, fake) = store_on(item(&value(1, 1)), reaction.clone(), reaction).await;
        assert_eq!(all_changes(&fake).await, [MAYBE; 4]);
        assert_eq!(fake.count("ms"), 4, "none is sent again");
        assert_eq!(kind(connect(&fake).await.create(&key(1), &record(1, b"data"), at(0)).await), MAYBE);
        assert_eq!(fake.count("ms"), 5, "none is sent again");
        assert_eq!(kind(connect(&fake).await.delete(&key(1)).await), MAYBE);
        assert_eq!(fake.count("md"), 1, "none is sent again");
    }
}

#[tokio::test]
async fn a_change_that_the_server_has_no_memory_for_is_not_said_to_have_changed_nothing() {
    for refusal in ["out of memory storing object", "Out of memory during read", "object too large for cache"]
    {
        let (_store, fake) =
            store_on(item(&value(1, 1)), say(format!("SERVER_ERROR {refusal}\r\n")), Reaction::HangUp).await;
        assert_eq!(all_changes(&fake).await, [MAYBE; 4], "memcached removes the item");
        assert_eq!(kind(connect(&fake).await.create(&key(1), &record(1, b"data"), at(0)).await), MAYBE);
        assert_eq!(fake.count("ms"), 5);
    }
}

/// The engine waits for two seconds, and the store's own deadline is five.
#[tokio::test]
async fn a_server_that_fell_silent_is_given_up_before_the_engine_stops_waiting() {
    let (_, fake) = store_on(Reaction::Ignore, Reaction::HangUp, Reaction::HangUp).await;
    let store = MemcachedStore::connect(&fake.url).await.unwrap();
    let loaded = timeout(Duration::from_secs(2), store.load(&key(1))).await;
    assert_eq!(kind(loaded.expect("the store gives up first")), CLEARLY_NOT);
}

/// After n connections it has waited for 10, 20, 40, ... ms, or half of that.
#[tokio::test]
async fn a_server_that_ends_every_connection_is_not_pestered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let greeted_by_one = async || {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; b"version\r\nstats settings\r\nstats\r\n".len()]).await.unwrap();
        stream.write_all(GREETING.as_bytes()).await.unwrap();
    };
    let url = format!("memcached://{}", listener.local_addr().unwrap());
    let (store, ()) = tokio::join!(MemcachedStore::connect(&url), greeted_by_one());
    let store = store.unwrap();
    #[allow(clippy::disallowed_methods, reason = "measures how often the store comes back")]
    let began = std::time::Instant::now();
    for _ in 0..6 {
        greeted_by_one().await;
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(5 + 10 + 20 + 40 + 80 + 160), "{took:?}");
    drop(store);
}

#[tokio::test]
async fn a_change_that_another_writer_overtook_begins_again() {
    let overtaken = Arc::new(AtomicBool::new(false));
    let fake = Fake::start({
        let overtaken = Arc::clone(&overtaken);
        move |command| match command {
            // A lease has been taken in between, the record is the same.
            "mg" => item(&value(1, 1)),
            "ms" if overtaken.swap(true, Ordering::Relaxed) => say("HD k$K O$O\r\n"),
            "ms" => say("EX k$K O$O\r\n"),
            _ => Reaction::HangUp,
        }
    })
    .await;
    let store = connect(&fake).await;
    store.replace(&key(1), &record(2, b"new"), Revision::new(1), at(0)).await.unwrap();
    assert_eq!((fake.count("mg"), fake.count("ms")), (2, 2));
}

/// The deadline is over in the second round, while the slow half of it is under way.
#[tokio::test]
async fn a_change_that_is_overtaken_for_ever_ends_with_its_deadline() {
    let late = |reaction| match reaction {
        Reaction::Say(bytes) => Reaction::SayLate(Duration::from_millis(550), bytes),
        other => other,
    };
    let (found, overtaken) = (item(&value(1, 1)), say("EX k$K O$O\r\n"));
    let ends = async |get, set, end| {
        let (_, fake) = store_on(get, set, Reaction::HangUp).await;
        let builder = MemcachedStore::builder().deadline(Duration::from_secs(1));
        let store = builder.connect(&fake.url).await.unwrap();
        let replaced = store.replace(&key(1), &record(2, b"new"), Revision::new(1), at(0)).await;
        assert_eq!(kind(replaced), end);
    };
    tokio::join!(
        ends(late(found.clone()), overtaken.clone(), CLEARLY_NOT),
        ends(found, late(overtaken), MAYBE)
    );
}

#[tokio::test]
async fn a_deleted_record_is_not_brought_back_by_a_change_that_read_it() {
    let (store, _fake) = store_on(item(&value(1, 1)), say("NF k$K O$O\r\n"), Reaction::HangUp).await;
    let replaced = store.replace(&key(1), &record(2, b"new"), Revision::new(1), at(0)).await;
    assert_eq!(kind(replaced), ErrorKind::Missing);
    let before = at(0).saturating_sub(Duration::from_secs(1));
    assert!(!store.touch(&key(1), before, at(1)).await.unwrap());
}

/// A server that was started anew counts from 1 again, so that a number read before may be another item's now.
#[tokio::test]
async fn a_cas_number_is_not_used_over_another_connection() {
    let fake = Fake::start(|command| match command {
        "mg" => {
            let Reaction::Say(bytes) = item(&value(1, 1)) else { unreachable!() };
            // What follows makes the store hang up, after it has read the item.
            Reaction::Say([&bytes, &b"and more\r\n"[..]].concat())
        }
        "ms" => say("HD k$K O$O\r\n"),
        _ => Reaction::HangUp,
    })
    .await;
    let store = connect(&fake).await;
    for _ in 0..20 {
        let replaced = store.replace(&key(1), &record(2, b"new"), Revision::new(1), at(0)).await;
        assert_eq!(kind(replaced), CLEARLY_NOT);
    }
    assert_eq!(fake.count("ms"), 0);
}

#[tokio::test]
async fn a_dropped_store_closes_its_connection_and_makes_no_other() {
    let (store, fake) = store_on(say("EN k$K O$O\r\n"), Reaction::HangUp, Reaction::HangUp).await;
    assert_eq!(store.load(&key(1)).await.unwrap(), None);
    fake.has_connections(1).await;
    drop(store);
    fake.has_connections(0).await;
}

#[tokio::test]
async fn errors_show_neither_key_nor_data() {
    let lie = [&b"VA 6 k$K c7 t600 O$O\r\nsecret, and more of it\r\nSERVER_ERROR secret\r\n"[..]].concat();
    let (store, _fake) = store_on(say(lie), Reaction::HangUp, Reaction::HangUp).await;
    let error = store.load(&key(1)).await.unwrap_err();
    let shown = format!("{error} {error:?} {store:?}");
    assert!(!shown.contains("secret") && !shown.contains(&key(1).to_string()), "{shown}");
}
