//! Counting: nothing is lost, nothing counts twice.

use std::path::PathBuf;
use std::sync::Arc;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, TestClock};
use cloakroom::{Locking, OnConflict, Settings};
use cloakroom_file::FileStore;
use cloakroom_redb::RedbStore;
use cloakroom_store::Store;
use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_tests::{Browser, Hesitant, Request, Response, Script, Site};
use tempfile::TempDir;

/// Where the sessions of a test are kept: a fresh store each time.
trait Stores {
    type Store: Store;

    /// How often each of many clients writes: less where it takes longer.
    const TIMES: usize = 200;

    fn store(&self) -> Self::Store;
}

struct InMemory;

/// Each store in a place of its own, which is gone when the test ends.
struct InRedb(TempDir);
struct InFiles(TempDir);

impl Stores for InMemory {
    type Store = MemoryStore;

    fn store(&self) -> MemoryStore {
        MemoryStore::new()
    }
}

impl Stores for InRedb {
    type Store = RedbStore;

    fn store(&self) -> RedbStore {
        RedbStore::open(another_path(&self.0)).unwrap()
    }
}

impl Stores for InFiles {
    type Store = FileStore;

    const TIMES: usize = 50;

    /// Counting does not depend on what a power failure would leave, and takes thousands of writes.
    fn store(&self) -> FileStore {
        FileStore::builder().danger_relaxed_durability().open(another_path(&self.0)).unwrap()
    }
}

fn another_path(folder: &TempDir) -> PathBuf {
    let others = folder.path().read_dir().unwrap().count();
    folder.path().join(others.to_string())
}

/// Runs each of these tests on every store.
macro_rules! on_every_store {
    ($($test:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::InMemory).await;
            })*
        }

        mod in_redb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::InRedb(tempfile::tempdir().unwrap())).await;
            })*
        }

        mod in_files {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::InFiles(tempfile::tempdir().unwrap())).await;
            })*
        }
    };
}

on_every_store!(
    thirty_two_clients_update_a_session_thousands_of_times_exactly,
    updates_never_conflict_with_what_the_request_itself_has_read,
    read_then_insert_is_exact_for_a_request_that_has_the_session_to_itself,
    read_then_insert_without_a_lock_counts_what_succeeded_and_answers_the_rest_409,
    inserts_of_different_keys_all_survive,
    exactly_one_of_thirty_two_clients_takes_a_value,
    emptying_a_session_never_takes_what_another_request_has_just_saved_with_it,
    with_overwrite_the_later_write_wins,
    what_was_read_before_others_changed_it_is_no_base_for_a_write_whatever_that_comes_to,
);

const MODES: [Locking; 4] = [Locking::ByMethod, Locking::Implicit, Locking::Early, Locking::Explicit];

async fn site(store: impl Store, locking: Locking) -> (Site, Script) {
    let script = Script::default();
    // Whoever waits here waits for real work, on a machine that may be busy.
    let settings = patient().locking(locking).max_lock_waiters(1000);
    (Site::start(store, settings, script.routes()).await, script)
}

fn patient() -> Settings {
    let minute = std::time::Duration::from_secs(60);
    Settings::new().lock_timeout(minute).store_timeout(minute).store_budget(minute)
}

/// `clients` tabs of one browser send `request` `times` times each, one after the other; all responses.
async fn hammer(browser: &Browser, clients: usize, times: usize, request: Request) -> Vec<Response> {
    let clients = (0..clients).map(|_| {
        let (tab, request) = (browser.tab(), request.clone());
        tokio::spawn(async move {
            let mut responses = Vec::new();
            for _ in 0..times {
                responses.push(tab.send(request.clone()).await);
            }
            responses
        })
    });
    let mut responses = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        responses.extend(client.await.unwrap());
    }
    responses
}

fn count(responses: &[Response], status: u16) -> usize {
    responses.iter().filter(|response| response.status == status).count()
}

/// U4. All `clients` × `times` updates of one key arrive, and each of them counts by one.
async fn updates_are_exact(store: impl Store, locking: Locking, clients: usize, times: usize) {
    let (site, _) = site(store, locking).await;
    let browser = Browser::new(&site);
    browser.post("/set=other:1").await;
    let responses = hammer(&browser, clients, times, Request::post("/add=n")).await;
    let mut answers: Vec<u64> = responses.iter().map(|response| response.body.parse().unwrap()).collect();
    answers.sort_unstable();
    let total = (clients * times) as u64;
    assert!(answers.into_iter().eq(1..=total), "{locking:?}: every answer once");
    assert_eq!(browser.get("/get=n/get=other").await.body, format!("{total} 1"), "{locking:?}");
}

/// U1, U4. In every mode at the same time: on a disk each update waits for it, and the modes wait together.
async fn thirty_two_clients_update_a_session_thousands_of_times_exactly<S: Stores>(stores: S) {
    let modes = MODES.map(|locking| tokio::spawn(updates_are_exact(stores.store(), locking, 32, S::TIMES)));
    for mode in modes {
        mode.await.unwrap();
    }
}

/// U1, U4. GET requests, which never have the session to themselves, and requests that have read the key before.
async fn updates_never_conflict_with_what_the_request_itself_has_read(stores: impl Stores) {
    for locking in MODES {
        let (site, _) = site(Hesitant(stores.store()), locking).await;
        let browser = Browser::new(&site);
        browser.post("/set=other:1").await;
        for request in
            [Request::get("/add=n"), Request::get("/get=n/add=n"), Request::get("/len/get=n/add=n/add=n")]
        {
            let updates = request.clone();
            browser.post("/remove=n").await;
            let responses = hammer(&browser, 8, 20, updates).await;
            assert_eq!(count(&responses, 200), 160, "{locking:?} {request:?}");
            let each = if format!("{request:?}").contains("add=n/add=n") { 2 } else { 1 };
            assert_eq!(browser.get("/get=n").await.body, (160 * each).to_string(), "{locking:?} {request:?}");
        }
    }
}

/// U1. Reading, adding one, and inserting is exact wherever the request has the session to itself.
async fn read_then_insert_is_exact_for_a_request_that_has_the_session_to_itself(stores: impl Stores) {
    let exclusive = [
        (Locking::ByMethod, Request::post("/inc=n")),
        (Locking::ByMethod, Request::post("/get=other/yield/inc=n")),
        (Locking::ByMethod, Request::get("/lock/inc=n")),
        (Locking::Implicit, Request::get("/inc=n")),
        (Locking::Early, Request::get("/inc=n")),
        (Locking::Explicit, Request::get("/lock/inc=n")),
        (Locking::Explicit, Request::post("/get=other/lock/get=n/yield/lock/inc=n/unlock")),
    ];
    for (locking, request) in exclusive {
        let (site, _) = site(Hesitant(stores.store()), locking).await;
        let browser = Browser::new(&site);
        browser.post("/set=other:1").await;
        let responses = hammer(&browser, 16, 20, request.clone()).await;
        assert_eq!(count(&responses, 200), 320, "{locking:?} {request:?}");
        assert_eq!(browser.get("/get=n").await.body, "320", "{locking:?} {request:?}");
    }
}

/// U1, F4. Without a lock every request that lost the race is told, and nothing of it is saved.
async fn read_then_insert_without_a_lock_counts_what_succeeded_and_answers_the_rest_409(stores: impl Stores) {
    for (locking, path) in [
        (Locking::ByMethod, "/inc=n/yield"),
        (Locking::Explicit, "/inc=n/yield"),
        (Locking::Explicit, "/len/inc=n/yield/add=m"),
    ] {
        let (site, _) = site(Hesitant(stores.store()), locking).await;
        let browser = Browser::new(&site);
        browser.post("/set=other:1").await;
        let responses = hammer(&browser, 16, 40, Request::get(path)).await;
        let (ok, refused) = (count(&responses, 200), count(&responses, 409));
        assert_eq!(ok + refused, 640, "{locking:?} {path}");
        assert!(refused > 0, "the requests overlapped");
        assert_eq!(browser.get("/get=n").await.body, ok.to_string(), "{locking:?} {path}");
    }
}

/// U1. Requests that write keys of their own all win, whatever else changes.
async fn inserts_of_different_keys_all_survive(stores: impl Stores) {
    for locking in [Locking::ByMethod, Locking::Explicit] {
        let (site, _) = site(Hesitant(stores.store()), locking).await;
        let browser = Browser::new(&site);
        browser.post("/set=other:1").await;
        let clients: Vec<_> = (0..64)
            .map(|n| {
                let tab = browser.tab();
                tokio::spawn(async move { tab.get(&format!("/get=other/yield/set=k{n}:{n}")).await.status })
            })
            .collect();
        for client in clients {
            assert_eq!(client.await.unwrap(), 200);
        }
        assert_eq!(browser.get("/len").await.body, "65");
    }
}

/// U4. Of 32 clients one gets the value: where other values stay, where it was the last one, and with a user.
async fn exactly_one_of_thirty_two_clients_takes_a_value(stores: impl Stores) {
    for locking in [Locking::ByMethod, Locking::Explicit] {
        let (site, _) = site(Hesitant(stores.store()), locking).await;
        for before in ["/set=t:1/set=other:1", "/set=t:1", "/in=ann/set=t:1"] {
            for path in ["/take=t", "/len/take=t"] {
                for _ in 0..4 {
                    let browser = Browser::new(&site);
                    browser.post(before).await;
                    let token = format!("__Host-id={}", browser.token().unwrap());
                    let request = Request::get(path).header("Cookie", token);
                    let responses = hammer(&browser, 32, 1, request).await;
                    let got = responses
                        .iter()
                        .filter(|response| response.body.ends_with('1') && response.status == 200);
                    let got = got.filter(|response| response.body.split(' ').next_back() == Some("1"));
                    assert_eq!(got.count(), 1, "{locking:?} {before} {path}");
                }
            }
        }
    }
}

/// U1, U4. Taking the last value empties the session; what another request put in at the same time stays.
async fn emptying_a_session_never_takes_what_another_request_has_just_saved_with_it(stores: impl Stores) {
    for emptying in ["/get=t/a/take=t", "/get=t/a/remove=t", "/get=other/a/remove=t/remove=other"] {
        let (site, script) = site(stores.store(), Locking::Explicit).await;
        let browser = Browser::new(&site);
        browser.post("/set=t:1").await;
        let tab = browser.tab();
        let slow = tokio::spawn(async move { tab.get(emptying).await });
        script.a.arrival().await;
        assert_eq!(browser.post("/set=saved:1").await.status, 200);
        script.a.open();
        let response = slow.await.unwrap();
        assert_eq!((response.status, response.cookies()), (200, vec![]), "{emptying}");
        assert_eq!(browser.get("/get=t/get=saved").await.body, "- 1", "{emptying}");
    }
}

/// U1, L1. Two servers over one store that has leases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_over_a_store_with_leases_count_exactly() {
    for (locking, path) in
        [(Locking::Explicit, "/lock/inc=n"), (Locking::ByMethod, "/inc=n"), (Locking::Explicit, "/add=n")]
    {
        let (store, clock) = (Arc::new(Hesitant(ReferenceStore::new())), TestClock::new());
        let settings = patient().locking(locking).max_lock_waiters(1000);
        let mut sites = Vec::new();
        for _ in 0..2 {
            let sessions = testing::manager(Arc::clone(&store), settings.clone(), &clock).unwrap();
            sites.push(Site::with_sessions(sessions, clock.clone(), Script::default().routes()).await);
        }
        let browser = Browser::new(&sites[0]);
        browser.post("/set=other:1").await;
        let other = browser.at_server(&sites[1]);
        let request = Request::post(path);
        let (one, two) =
            tokio::join!(hammer(&browser, 8, 25, request.clone()), hammer(&other, 8, 25, request.clone()));
        assert_eq!(count(&one, 200) + count(&two, 200), 400, "{locking:?} {path}");
        assert_eq!(other.get("/get=n").await.body, "400", "{locking:?} {path}");
    }
}

/// Design, Locking. `on_conflict = overwrite`: the later one wins, nobody is refused.
async fn with_overwrite_the_later_write_wins(stores: impl Stores) {
    let script = Script::default();
    let settings = Settings::new().locking(Locking::Explicit).on_conflict(OnConflict::Overwrite);
    let site = Site::start(stores.store(), settings, script.routes()).await;
    let browser = Browser::new(&site);
    browser.post("/set=x:1/set=y:1").await;
    let tab = browser.tab();
    let slow = tokio::spawn(async move { tab.get("/len/get=x/a/set=x:2").await });
    script.a.arrival().await;
    browser.post("/set=x:5/set=y:5").await;
    script.a.open();
    assert_eq!(slow.await.unwrap().status, 200);
    assert_eq!(browser.get("/get=x/get=y").await.body, "2 5");
}

/// U1. A request whose snapshot was taken anew in between still decided on what it had read before.
async fn what_was_read_before_others_changed_it_is_no_base_for_a_write_whatever_that_comes_to(
    stores: impl Stores,
) {
    for refresh in ["add=visits", "set=mine:1/save", "reload"] {
        for (write, meanwhile) in
            [("set=n:6", "/set=n:6"), ("remove=n", "/remove=n"), ("len/set=n:7", "/set=n:6")]
        {
            let (site, script) = site(stores.store(), Locking::Explicit).await;
            let browser = Browser::new(&site);
            browser.post("/set=n:5/set=other:1").await;
            let (tab, path) = (browser.tab(), format!("/get=n/a/{refresh}/{write}"));
            let slow = tokio::spawn(async move { tab.get(&path).await });
            script.a.arrival().await;
            browser.post(meanwhile).await;
            script.a.open();
            assert_eq!(slow.await.unwrap().status, 409, "{refresh} {write}");
        }
    }
}
