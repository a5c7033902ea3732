//! Leases of one server: among its own requests, and after the response head.

use cloakroom::{Locking, Settings};
use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_tests::{Direct, Hesitant, Script, poll_once};

use super::noting::Noting;
use super::waiting;

/// A lock that a stream takes is its own until it says otherwise, however often it saves.
#[tokio::test]
async fn a_lock_taken_in_a_stream_is_kept_until_it_is_given_back() {
    for locking in [Locking::ByMethod, Locking::Explicit] {
        let (store, script) = (ReferenceStore::new(), Script::default());
        let settings = Settings::new().locking(locking);
        let site = Direct::new(store.clone(), settings, script.routes());
        let other = site.another(store, script.routes());
        site.post("/set=x:1").await;
        let stream = site.post("/get=x/stream/lock/add=x/set=y:1/save/add=x/a/add=x/unlock/b");
        let stream = tokio::spawn(stream);
        script.a.arrival().await;
        let elsewhere = waiting(other.post("/lock/add=x")).await;
        let here = waiting(site.post("/lock/add=x")).await;
        assert_eq!(other.get("/get=x").await.body, "3", "readers do not wait");
        script.a.open();
        script.b.arrival().await;
        let mut answers = [elsewhere.await.body, here.await.body];
        answers.sort_unstable();
        assert_eq!(answers, ["5", "6"], "{locking:?}");
        script.b.open();
        assert_eq!(stream.await.unwrap().body, "2 3 4 ");
    }
}

/// What waits in this server's own queue is woken when the lease is free, and does not ask in vain.
#[tokio::test]
async fn the_next_in_the_queue_finds_the_lease_free() {
    for end in ["", "set=x:2", "add=x", "out", "status=500", "unlock/b", "hang up"] {
        let (store, script) = (Noting::new(Hesitant(ReferenceStore::new())), Script::default());
        let site = Direct::new(store.clone(), Settings::default(), script.routes());
        site.post("/in=ann/set=x:1").await;
        let mut holder = site.post(&format!("/get=x/a/{}", end.replace("hang up", "")));
        let arrived = async { script.a.arrival().await };
        tokio::select! { _ = &mut holder => panic!("it was to wait"), () = arrived => {} }
        let mut next = site.post("/get=x");
        assert!(poll_once(&mut next).await.is_none(), "it was to wait");
        assert_eq!(store.count("acquire"), 1);
        if end == "hang up" {
            drop(holder);
        } else {
            script.a.open();
            script.b.open();
            holder.await;
        }
        assert_eq!(next.await.status, 200);
        assert_eq!(store.count("acquire"), 2, "after {end:?}");
    }
}
