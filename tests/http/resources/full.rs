//! When there is no room for another session: in the store, or for one user.

use cloakroom::Settings;
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom_tests::{Direct, Script};

/// It is the server that has no room, not the request that is too large.
#[tokio::test]
async fn a_store_full_of_users_is_answered_503_and_asks_to_try_again() {
    let stores = [MemoryStore::builder().max_sessions(2), MemoryStore::builder().max_bytes(1200)];
    let write = "/set=x:1/set=a:1/set=b:1/set=c:1/set=d:1/set=e:1";
    for store in stores {
        let site = Direct::new(store.open().unwrap(), Settings::default(), Script::default().routes());
        let full = async || {
            for n in 0..10 {
                let visitor = site.stranger();
                let response = visitor.post(&format!("/in=user{n}{write}")).await;
                if response.status != 200 {
                    return (response, visitor.token());
                }
            }
            panic!("it is never full");
        };
        let (response, token) = full().await;
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")), "{}", response.body);
        assert_eq!((response.cookies(), token), (vec![], None));
        // Neither a stranger nor a further user drops one of them.
        assert_eq!(site.stranger().post(write).await.status, 503);
        assert_eq!(site.sessions.count().await.unwrap(), 2);
    }
}

async fn signed_in(site: &Direct) -> usize {
    site.sessions.sessions_of("ann").await.unwrap().len()
}

/// An end that fails is no reason to undo what is stored already.
#[tokio::test]
async fn a_sign_in_stands_where_the_oldest_session_cannot_be_ended() {
    for (call, fault) in
        [(Call::Replace, Fault::Unavailable), (Call::Replace, Fault::Lost), (Call::Load, Fault::Unavailable)]
    {
        let store = FaultyStore::new(MemoryStore::new());
        let settings = Settings::new().subject_limit(1);
        let site = Direct::new(store.clone(), settings, Script::default().routes());
        let (first, second) = (site.stranger(), site.stranger());
        first.post("/in=ann").await;
        store.fail_calls(call, fault);
        let response = second.post("/in=ann").await;
        assert_eq!((response.status, response.cookies().len()), (200, 1), "{call:?} {fault:?}");
        store.heal();
        assert_eq!(second.get("/subject").await.body, "ann");
        assert_eq!(first.get("/subject").await.body, "ann", "it could not be ended");
        assert_eq!(second.post("/in=ann").await.status, 200);
        assert_eq!(first.get("/subject").await.body, "-", "the next sign-in ends it");
    }
}

/// Where a limit is set on users who have more already, the first of them to sign in does not pay for all.
#[tokio::test]
async fn a_sign_in_ends_sixteen_sessions_at_most() {
    let store = FaultyStore::new(MemoryStore::new());
    let before = Direct::new(store.clone(), Settings::default(), Script::default().routes());
    for _ in 0..20 {
        before.stranger().post("/in=ann").await;
    }
    let settings = Settings::new().subject_limit(2);
    let site = Direct::new(store.clone(), settings, Script::default().routes());
    for left in [5, 2] {
        assert_eq!(site.stranger().post("/in=ann/subject").await.body, "ann");
        assert_eq!(signed_in(&site).await, left);
    }
    assert_eq!(store.count(Call::Replace), 16 + 4);
}
