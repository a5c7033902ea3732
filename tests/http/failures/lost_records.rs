//! Records that are damaged, foreign, rolled back or evicted.

use super::*;

/// F14. Damaged and foreign records: a new visitor's session, under another locator; what is there stays there.
#[tokio::test]
async fn a_damaged_record_is_as_good_as_none_and_is_never_overwritten() {
    for locking in MODES {
        let (site, store, _) = site(Settings::new().locking(locking));
        site.post("/in=ann/set=x:1").await;
        let token = site.token().unwrap();
        let (key, record) = stored(&store).await.remove(0);
        let damaged = Record::new(Revision::new(1), record.expires_at, b"not ours".as_slice());
        store.inner().0.replace(&key, &damaged, record.revision, Timestamp::from_millis(0)).await.unwrap();
        assert_eq!(site.get("/subject/get=x/origin").await.body, "- - unknown", "{locking:?}");
        assert_eq!(site.post("/out/status=404").await.cookies(), [""; 0], "{locking:?}");
        assert_eq!(site.post("/set=x:2").await.status, 200);
        assert_ne!(site.token().unwrap()[..22], token[..22], "another locator");
        assert_eq!(site.get("/get=x").await.body, "2");
        assert_eq!(store.inner().0.load(&key).await.unwrap().unwrap(), damaged, "{locking:?}");
        // The store itself cannot read it.
        store.fail_calls(Call::Load, Fault::Corrupt);
        assert_eq!(site.get("/get=x/origin").await.body, "- unknown");
    }
}

/// F14. A record damaged while a request is under way: its changes are dropped like those of an ended session.
#[tokio::test]
async fn a_record_damaged_under_a_request_is_never_overwritten() {
    let (site, store, script) = site(
        Settings::new()
            .locking(Locking::Explicit)
            .anonymous_idle_timeout(std::time::Duration::from_secs(3600)),
    );
    for wish in ["set=x:2", "out", "remove=x", "rotate"] {
        site.post("/set=x:1").await;
        let slow = tokio::spawn(site.get(&format!("/get=x/a/{wish}")));
        script.a.arrival().await;
        let key: Key = site.get("/handle").await.body.parse().unwrap();
        let record = store.inner().0.load(&key).await.unwrap().unwrap();
        let damaged = Record::new(Revision::new(1), record.expires_at, b"not ours".as_slice());
        store.inner().0.replace(&key, &damaged, record.revision, Timestamp::from_millis(0)).await.unwrap();
        script.a.open();
        let response = slow.await.unwrap();
        assert_eq!((response.status, response.cookies()), (200, vec![]), "{wish}");
        assert_eq!(store.inner().0.load(&key).await.unwrap().unwrap(), damaged, "{wish}");
    }
}

/// F16. A store that lost its last writes: a rolled-back rotation means an unknown secret, and ends nothing.
#[tokio::test]
async fn a_store_that_lost_its_last_writes_ends_nothing() {
    for change in ["/rotate", "/in=ann"] {
        let (site, store, _) = site(Settings::default());
        site.post("/in=ann/set=x:1").await;
        let old = site.stranger_with_cookies();
        let (key, before) = stored(&store).await.remove(0);
        site.post(change).await;
        let now = store.inner().0.load(&key).await.unwrap().unwrap();
        store.inner().0.replace(&key, &before, now.revision, Timestamp::from_millis(0)).await.unwrap();
        let response = site.post("/subject/set=x:2").await;
        assert_eq!((response.status, &*response.body), (200, "-"));
        assert_eq!(old.get("/subject/get=x").await.body, "ann 1", "{change}");
    }
}

/// F17. An evicted session is an unknown one; a request under way does not bring it back.
#[tokio::test]
async fn an_evicted_session_is_unknown_and_stays_away() {
    let (site, store, script) = site(Settings::new().locking(Locking::Explicit));
    site.post("/in=ann/set=x:1").await;
    let slow = tokio::spawn(site.get("/get=x/a/set=x:2"));
    script.a.arrival().await;
    let (key, _) = stored(&store).await.remove(0);
    assert!(store.inner().0.delete(&key).await.unwrap());
    script.a.open();
    let response = slow.await.unwrap();
    assert_eq!((response.status, response.cookies()), (200, vec![]));
    assert_eq!(stored(&store).await.len(), 0);
    assert_eq!(site.post("/origin/set=x:3/get=x").await.body, "unknown 3");
}

/// F3. A write that was applied without an answer may have been seen: if its record is gone when it is looked up, nobody
/// knows, and it is not done again in another session.
#[tokio::test]
async fn a_write_whose_record_is_gone_when_it_is_looked_up_stays_unknown() {
    for wish in ["/set=x:2", "/add=x", "/in=ann"] {
        let (site, store, _) = site(Settings::default());
        site.post("/set=x:1").await;
        let (key, before) = stored(&store).await.remove(0);
        store.fail_calls(Call::Replace, Fault::Unanswered);
        let request = tokio::spawn(site.post(wish));
        while store.inner().0.load(&key).await.unwrap().unwrap().revision == before.revision {
            tokio::task::yield_now().await;
        }
        store.inner().0.delete(&key).await.unwrap();
        unavailable(&request.await.unwrap(), wish);
        assert_eq!(stored(&store).await, [], "{wish}");
    }
}
