//! Several servers over one store.

use super::*;

/// L1. Two servers over one store with leases: the second waits for the first, whichever way that ends.
#[tokio::test]
async fn a_lease_makes_the_other_server_wait_until_the_request_has_ended() {
    for end in ["/set=x:2", "/get=x", "/status=500", "/unlock/b", "hang up"] {
        let (store, script) = (ReferenceStore::new(), Script::default());
        let site = Direct::new(store.clone(), Settings::default(), script.routes());
        let other = site.another(store, script.routes());
        site.post("/set=x:1").await;
        let holder = waiting(site.post(&format!("/get=x/a{}", end.replace("hang up", "")))).await;
        let second = waiting(other.post("/add=n/get=x")).await;
        assert_eq!(other.get("/get=x").await.body, "1", "readers do not wait");
        if end == "hang up" {
            drop(holder);
        } else {
            script.a.open();
            script.b.open();
            holder.await;
        }
        let response = tokio::time::timeout(TIMEOUT, second).await.expect("woken by the release");
        assert_eq!(response.body, if end == "/set=x:2" { "1 2" } else { "1 1" }, "{end}");
        assert_eq!(tokio::time::timeout(TIMEOUT, site.post("/add=n")).await.unwrap().body, "2", "{end}");
    }
}

/// L3, F19. A server that died holding the lease: the next one has it when the lease is over.
#[tokio::test(start_paused = true)]
async fn a_dead_servers_lease_is_taken_over_when_it_runs_out() {
    let (store, script) = (ReferenceStore::new(), Script::default());
    let settings = Settings::new().lock_timeout(6 * TIMEOUT).lease_ttl(TIMEOUT);
    let site = Direct::new(store.clone(), settings, script.routes());
    let other = site.another(store.clone(), script.routes());
    site.post("/set=x:1").await;
    dead_server(&site, &store).await;
    let mut second = other.post("/get=x/set=x:2");
    assert!(tokio::time::timeout(TIMEOUT / 2, &mut second).await.is_err());
    site.clock.advance(TIMEOUT);
    let response = tokio::time::timeout(2 * TIMEOUT, second).await.expect("taken over");
    assert_eq!((response.status, &*response.body), (200, "1"));
}

/// RULES §2. On a store that goes by its clients' clocks: however far ahead the clock was that the lease was taken by, and
/// whatever ours does, it is over when it has stayed the same for longer than it can last. That is watched across
/// requests, which wait for less.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "measures")]
async fn a_lease_that_stays_the_same_for_longer_than_it_can_last_is_over() {
    let (store, script) = (ReferenceStore::new(), Script::default());
    let settings = Settings::new().lock_timeout(TIMEOUT / 5).lease_ttl(TIMEOUT);
    let site = Direct::new(store.clone(), settings, script.routes());
    let other = site.another(store.clone(), script.routes());
    site.post("/set=x:1").await;
    // No clock moves but tokio's, so that its renewals change nothing.
    let sleeper = waiting(site.post("/get=x/a/set=x:9")).await;
    let watch = tokio::time::Instant::now();
    let mut refusals = 0;
    let response = loop {
        match other.post("/get=x/set=x:2").await {
            response if response.status == 503 && refusals < 20 => refusals += 1,
            response => break response,
        }
    };
    assert_eq!((response.status, &*response.body), (200, "1"));
    // Five seconds after its time.
    let waited = watch.elapsed().as_millis();
    assert!((15_000..15_010).contains(&waited), "{waited}");
    assert_eq!(refusals, 7);
    script.a.open();
    assert_eq!(sleeper.await.status, 409, "it has lost its lease");
    assert_eq!(site.post("/get=x").await.body, "2");
}

/// Takes the lease of the session as a server would that does not run any more.
async fn dead_server(site: &Direct, store: &ReferenceStore) {
    let key = Key::from_str(&site.get("/handle").await.body).unwrap();
    // The test clock begins with 2025.
    let now = Timestamp::from_millis(1_735_689_600_000);
    let claim = Claim::new(LeaseId::new(7), now, TIMEOUT, Revision::new(1));
    assert!(matches!(store.acquire(&key, &claim).await.unwrap(), Acquired::Held(_)));
}

/// F7, L2. A holder that slept through its lease, and lost it, saves nothing, not even what would spoil nothing.
#[tokio::test]
async fn a_holder_that_lost_its_lease_saves_nothing() {
    for slow in [
        "/inc=x/a",
        "/get=x/a/add=x",
        "/get=x/a/set=y:1",
        "/get=x/a/in=ann",
        // Not even by a handler that answers the error itself, which saves the rest.
        "/len/a/set=y:1/save",
        "/len/a/set=y:1/unlock",
        "/len/a/reload/set=y:1",
    ] {
        let (store, script) = (Arc::new(ReferenceStore::new()), Script::default());
        let site = Direct::new(Arc::clone(&store), Settings::default(), script.routes());
        let other = site.another(store, script.routes());
        site.post("/set=x:10").await;
        let sleeper = waiting(site.post(slow)).await;
        site.clock.advance(2 * TIMEOUT);
        assert_eq!(other.post("/inc=x").await.body, "11", "the lease is taken over");
        script.a.open();
        assert_eq!(sleeper.await.status, 409, "{slow}");
        assert_eq!(other.post("/get=x/get=y/subject").await.body, "11 - -", "{slow}");
    }
}

/// L3, F11. Two servers; the client of the first goes away at every point. The second has the session at once.
#[tokio::test]
async fn a_lease_is_given_back_wherever_its_client_goes_away() {
    for path in ["/get=x/yield/add=x", "/get=x/set=x:2", "/get=x", "/get=x/unlock/lock/yield/set=x:2", "/out"]
    {
        for polls in 0.. {
            let (store, script) = (Hesitant(ReferenceStore::new()), Script::default());
            let site = Direct::new(store.clone(), Settings::default(), script.routes());
            let other = site.another(store, script.routes());
            site.post("/in=ann/set=x:1").await;
            let done = cut_off(site.stranger_with_cookies().post(path), polls).await;
            // Half a lease is longer than this takes, and shorter than a lease that nobody gives back.
            let next = tokio::time::timeout(TIMEOUT / 2, other.post("/get=x")).await;
            assert_eq!(next.expect("the lease is free").status, 200, "{path}, dropped after {polls} polls");
            if done {
                break;
            }
        }
    }
}

/// F7. A lease is renewed while its request runs, and up to `lease_limit`.
#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_while_its_request_runs() {
    let (store, script) = (ReferenceStore::new(), Script::default());
    let settings = Settings::new().lock_timeout(100 * TIMEOUT).lease_ttl(TIMEOUT).lease_limit(6 * TIMEOUT);
    let site = Direct::new(store.clone(), settings, script.routes());
    let other = site.another(store, script.routes());
    site.post("/set=x:1").await;
    let holder = waiting(site.post("/get=x/a/add=x")).await;
    let mut second = waiting(other.post("/get=x/add=x")).await;
    // One second after the other, on both clocks.
    let mut waited = 0;
    while tokio::time::timeout(TIMEOUT / 10, &mut second).await.is_err() {
        site.clock.advance(TIMEOUT / 10);
        waited += 1;
        assert!(waited < 100, "the limit has passed");
    }
    assert!((50..=71).contains(&waited), "taken over after {waited} seconds");
    script.a.open();
    assert_eq!(holder.await.status, 409, "the lock is another's");
}

/// F6. Waiting for another server's lease ends with `lock_timeout` too.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_lease_ends_with_lock_timeout() {
    let (store, script) = (ReferenceStore::new(), Script::default());
    let settings = Settings::new().lock_timeout(TIMEOUT / 2);
    let site = Direct::new(store.clone(), settings, script.routes());
    let other = site.another(store, script.routes());
    site.post("/set=x:1").await;
    let holder = waiting(site.post("/get=x/a/add=x")).await;
    let mut second = other.post("/get=x/set=x:7");
    assert!(tokio::time::timeout(TIMEOUT / 2 - Duration::from_millis(10), &mut second).await.is_err());
    refused(&tokio::time::timeout(Duration::from_millis(20), second).await.expect("it gave up"));
    script.a.open();
    assert_eq!(holder.await.body, "1 2");
    assert_eq!(other.post("/get=x").await.body, "2");
}
