//! A request takes a place in a session's queue, or its lease, only after its secret was judged (SECURITY 41).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cloakroom_store::Store;

use super::noting::{Noting, writes};
use super::*;

/// A site whose store notes what it does, a session's owner, who has signed in, and a browser with the token from before.
struct Robbed<S> {
    store: Noting<S>,
    script: Script,
    owner: Direct,
    thief: Direct,
}

impl<S: Store + Clone> Robbed<S> {
    async fn new(store: S, settings: Settings) -> Self {
        let (store, script) = (Noting::new(store), Script::default());
        let owner = Direct::new(store.clone(), settings, script.routes());
        owner.post("/set=n:0").await;
        let thief = owner.stranger_with_cookies();
        owner.post("/in=ann").await;
        let site = Self { store, script, owner, thief };
        site.calls().await;
        site
    }

    /// The thief's request gets its answer at once, and finds nothing.
    async fn finds_nothing(&self, path: &str) {
        let response = poll_once(&mut self.thief.post(path)).await.expect("it waits for nobody");
        assert_eq!((response.status, &*response.body), (200, "-"));
        assert!(response.cookies().is_empty());
    }

    /// The thief has got hold of this token.
    fn stolen(&self, token: &str) {
        let cookie = format!("__Host-id={token}; Path=/; Secure; HttpOnly; SameSite=Lax");
        self.thief.jar().receive(&cookie, "/", true).unwrap();
    }

    /// What the store was asked since the last time.
    async fn calls(&self) -> Vec<&'static str> {
        // A lease would be given back in the background.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.store.take()
    }

    /// Makes the session's record one that cannot be read.
    async fn damage(&self) {
        let key = Key::from_str(&self.owner.get("/handle").await.body).unwrap();
        let mut record = self.store.load(&key).await.unwrap().unwrap();
        record.data = b"no session".as_slice().into();
        let now = Timestamp::from_millis(1_735_689_600_000);
        self.store.replace(&key, &record, record.revision, now).await.unwrap();
    }
}

/// On a store without leases, and on one with them.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        $(mod $test {
            use super::*;

            #[tokio::test]
            async fn without_leases() {
                super::$test(Arc::new(MemoryStore::new())).await;
            }

            #[tokio::test]
            async fn with_leases() {
                super::$test(ReferenceStore::new()).await;
            }
        })*
    };
}

on_both! {
    three_hundred_dead_tokens_keep_nobody_waiting_and_write_nothing,
    an_owner_is_served_among_three_hundred_who_come_all_the_time,
    a_handler_without_a_session_keeps_nobody_waiting,
    a_token_without_a_live_session_takes_nothing,
    a_dead_token_does_not_wait_for_the_owner_in_any_mode,
}

async fn three_hundred_dead_tokens_keep_nobody_waiting_and_write_nothing(store: impl Store + Clone) {
    let site = Robbed::new(store, Settings::default()).await;
    for _ in 0..300 {
        site.finds_nothing("/get=n").await;
        site.finds_nothing("/get=n/set=n:7").await;
    }
    let calls = site.calls().await;
    assert_eq!((calls.len(), writes(&calls)), (600, vec![]), "one call each");

    let holder = waiting(site.owner.post("/inc=n/a")).await;
    site.calls().await;
    for _ in 0..300 {
        site.finds_nothing("/get=n").await;
    }
    assert_eq!(writes(&site.calls().await), [""; 0]);
    let mut posts = Vec::new();
    for _ in 0..60 {
        posts.push(waiting(site.owner.post("/inc=n")).await);
        site.finds_nothing("/get=n").await;
    }
    site.script.a.open();
    assert_eq!(holder.await.body, "1");
    for (place, post) in posts.into_iter().enumerate() {
        let response = post.await;
        assert_eq!((response.status, response.body), (200, (place + 2).to_string()));
    }
}

async fn an_owner_is_served_among_three_hundred_who_come_all_the_time(store: impl Store + Clone) {
    // Sixty turns among three hundred busy tasks of one thread take their time.
    let hour = Duration::from_secs(3600);
    let settings = Settings::new().lock_timeout(hour).store_timeout(hour).store_budget(hour);
    let site = Robbed::new(Hesitant(store), settings).await;
    let (over, denied) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut thieves = Vec::new();
    for _ in 0..300 {
        let (thief, over, denied) = (site.thief.stranger_with_cookies(), over.clone(), denied.clone());
        thieves.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                assert_eq!(thief.post("/get=n").await.body, "-");
                denied.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    tokio::task::yield_now().await;
    let posts: Vec<_> = (0..60).map(|_| tokio::spawn(site.owner.post("/inc=n"))).collect();
    for post in posts {
        let response = post.await.unwrap();
        assert_eq!(response.status, 200, "{}", response.body);
    }
    over.store(true, Ordering::Relaxed);
    for thief in thieves {
        thief.await.unwrap();
    }
    assert!(denied.load(Ordering::Relaxed) >= 300);
    let (writes, leases) = (writes(&site.calls().await), site.store.facets().leases.is_some());
    assert_eq!(writes.iter().filter(|call| call.starts_with("replace")).count(), 60);
    assert_eq!(writes.len(), if leases { 120 } else { 60 }, "the owner's, and no other");
    assert_eq!(site.owner.get("/get=n").await.body, "60");
}

/// The turn is over with the look at the record, not with the request.
async fn a_handler_without_a_session_keeps_nobody_waiting(store: impl Store + Clone) {
    let site = Robbed::new(store, Settings::default()).await;
    let thief = waiting(site.thief.post("/get=n/a")).await;
    let response = poll_once(&mut site.owner.post("/inc=n")).await.expect("nobody has the session");
    assert_eq!(response.body, "1");
    site.script.a.open();
    assert_eq!(thief.await.body, "-");
}

async fn a_token_without_a_live_session_takes_nothing(store: impl Store + Clone) {
    for end in ["forged", "ended", "expired", "damaged"] {
        let site = Robbed::new(store.clone(), Settings::default()).await;
        site.stolen(&site.owner.token().unwrap());
        match end {
            "forged" => site.stolen(&format!("1{}", "A".repeat(43))),
            "ended" => drop(site.owner.post("/out").await),
            "expired" => site.owner.clock.advance(Duration::from_secs(3600)),
            _ => site.damage().await,
        }
        site.calls().await;
        for _ in 0..3 {
            site.finds_nothing("/get=n").await;
        }
        let calls = site.calls().await;
        assert_eq!((calls.len(), writes(&calls)), (3, vec![]), "{end}: {calls:?}");
    }
}

async fn a_dead_token_does_not_wait_for_the_owner_in_any_mode(store: impl Store + Clone) {
    for (locking, path) in [
        (Locking::ByMethod, "/get=n"),
        (Locking::Implicit, "/get=n"),
        (Locking::Early, "/get=n"),
        (Locking::Explicit, "/get=n/try.lock"),
    ] {
        let site = Robbed::new(store.clone(), Settings::new().locking(locking)).await;
        let holder = waiting(site.owner.post("/lock/inc=n/a")).await;
        let response = poll_once(&mut site.thief.post(path)).await.expect("it waits for nobody");
        assert_eq!(response.body, if locking == Locking::Explicit { "- Ended" } else { "-" }, "{locking:?}");
        site.script.a.open();
        holder.await;
    }
}

/// Beside the leases of other servers, too: what is in the way of the owner is not in the way of the thief.
#[tokio::test]
async fn a_dead_token_does_not_wait_for_another_servers_lease() {
    let site = Robbed::new(ReferenceStore::new(), Settings::default()).await;
    let other = site.thief.another(site.store.clone(), site.script.routes());
    let holder = waiting(site.owner.post("/inc=n/a")).await;
    site.calls().await;
    let response = poll_once(&mut other.post("/get=n")).await.expect("it waits for nobody");
    assert_eq!(response.body, "-");
    assert_eq!(site.calls().await, ["acquire"]);
    site.script.a.open();
    holder.await;
}

/// RULES §4. What a request with a lock costs: two calls, three with an old secret in its grace, three if it waited.
#[tokio::test]
async fn a_locked_write_takes_two_calls_and_a_third_if_its_secret_is_old_or_it_waited() {
    const SAVED: [&str; 3] = ["acquire", "took a lease", "replace and release"];
    let site = Robbed::new(ReferenceStore::new(), Settings::default()).await;
    site.owner.post("/inc=n").await;
    assert_eq!(site.calls().await, SAVED);

    let old = site.owner.stranger_with_cookies();
    site.owner.post("/rotate").await;
    site.calls().await;
    assert_eq!(old.post("/inc=n").await.body, "2");
    assert_eq!(site.calls().await, [&["acquire"], &SAVED[..]].concat());

    // The first request with the new secret notes that it has come back.
    site.owner.post("/inc=n").await;
    // Waiting in this server's queue, and for another server's lease.
    let other = site.owner.another(site.store.clone(), site.script.routes());
    for second in [&site.owner, &other] {
        let holder = waiting(site.owner.post("/get=n/a")).await;
        site.calls().await;
        let second = waiting(second.post("/inc=n")).await;
        let before = site.calls().await;
        assert!(matches!(before[..], ["load"] | ["acquire", "wait"]), "{before:?}");
        site.script.a.open();
        holder.await;
        assert_eq!(second.await.status, 200);
        assert_eq!(site.calls().await, [&["release"], &SAVED[..]].concat());
    }
}

/// RULES §4. The old secret in its grace is as good as the new one: it has the session to itself.
#[tokio::test]
async fn an_old_secret_in_its_grace_still_locks() {
    let site = Robbed::new(ReferenceStore::new(), Settings::default()).await;
    let other = site.owner.another(site.store.clone(), site.script.routes());
    let old = site.owner.stranger_with_cookies();
    site.owner.post("/rotate").await;
    let holder = waiting(old.post("/get=n/a/inc=n")).await;
    let waiting = [waiting(site.owner.post("/inc=n")).await, waiting(other.post("/inc=n")).await];
    site.script.a.open();
    assert_eq!(holder.await.body, "0 1");
    let mut bodies = Vec::new();
    for request in waiting {
        bodies.push(request.await.body);
    }
    bodies.sort_unstable();
    assert_eq!(bodies, ["2", "3"]);
}

/// RULES §4. Judged again when its turn has come: a request that was signed out while it waited takes nothing.
#[tokio::test]
async fn a_secret_that_died_while_its_request_waited_takes_no_lease() {
    let site = Robbed::new(ReferenceStore::new(), Settings::default()).await;
    let other = site.owner.another(site.store.clone(), site.script.routes());
    for here in [true, false] {
        let holder = waiting(site.owner.post("/get=n/a/in=ann")).await;
        let late = if here { site.owner.stranger_with_cookies() } else { other.stranger_with_cookies() };
        let late = waiting(late.post("/get=n/b")).await;
        site.calls().await;
        site.script.a.open();
        assert_eq!(holder.await.status, 200);
        let late = waiting(late).await;
        let calls = site.calls().await;
        assert_eq!(calls.iter().filter(|call| **call == "took a lease").count(), 0, "{calls:?}");
        site.script.b.open();
        assert_eq!(late.await.body, "-");
    }
}
