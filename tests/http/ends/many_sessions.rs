//! Many sessions of one user: which of them ends, what is read for it, and what works when the list does not (SECURITY 31,
//! 52, F28).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use cloakroom::SubjectLimit;
use cloakroom_store::{
    Cursor, Error, Facets, Page, Record, Result, Revision, Subject, SubjectEntry, Subjects, Timestamp,
};

use super::*;

/// A memory store that counts its lists and its loads, and may fail to list.
#[derive(Debug, Default)]
struct Listing {
    inner: MemoryStore,
    lists: AtomicUsize,
    loads: AtomicUsize,
    broken: AtomicBool,
}

impl Listing {
    fn counts(&self) -> (usize, usize) {
        (self.lists.swap(0, SeqCst), self.loads.swap(0, SeqCst))
    }
}

impl Store for Listing {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.inner.create(key, record, now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.loads.fetch_add(1, SeqCst);
        Store::load(&self.inner, key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        self.inner.replace(key, record, expected, now).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.inner.touch(key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.inner.delete(key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.inner.purge(cutoff, limit).await
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none().subjects(self)
    }
}

impl Subjects for Listing {
    async fn enroll(&self, subject: &Subject, key: &Key, now: Timestamp, until: Timestamp) -> Result<usize> {
        Subjects::enroll(&self.inner, subject, key, now, until).await
    }

    async fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        self.lists.fetch_add(1, SeqCst);
        if self.broken.load(SeqCst) {
            return Err(Error::unavailable("told to fail"));
        }
        Subjects::list(&self.inner, subject, cursor, limit).await
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        Subjects::end_all(&self.inner, subject, except).await
    }
}

fn listing(settings: Settings) -> (Direct, Arc<Listing>) {
    let store = Arc::new(Listing::default());
    (Direct::new(Arc::clone(&store), settings, Script::default().routes()), store)
}

async fn sign_in(site: &Direct, count: usize) -> Vec<Direct> {
    let mut browsers = Vec::new();
    for _ in 0..count {
        let browser = site.stranger();
        assert_eq!(browser.post("/in=ann").await.status, 200);
        browsers.push(browser);
    }
    browsers
}

/// 52. Up to the limit, a sign-in reads nothing; beyond it, the list once, and the record that it ends.
#[tokio::test]
async fn a_hundred_sessions_are_the_default_and_only_beyond_is_a_list_read() {
    let (site, store) = listing(Settings::default());
    let browsers = sign_in(&site, 100).await;
    assert_eq!(store.counts(), (0, 0));
    site.clock.advance(HOUR / 2);
    for browser in &browsers[1..] {
        assert_eq!(get(browser, "/subject").await, "ann");
    }
    store.counts();
    sign_in(&site, 1).await;
    assert_eq!(store.counts(), (1, 1), "the oldest one is alone at its age");
    assert_eq!(browsers[0].get("/subject").await.body, "-");
    assert_eq!(site.sessions.sessions_of("ann").await.unwrap().len(), 100);

    for unlimited in [Settings::new().subject_limit(None), Settings::new().subject_limit(1000)] {
        let (site, _) = listing(unlimited);
        sign_in(&site, 103).await;
        assert_eq!(site.sessions.sessions_of("ann").await.unwrap().len(), 103);
    }
    let settings = Settings::new().subject_limit(SubjectLimit::Default);
    let (site, _) = listing(settings);
    sign_in(&site, 103).await;
    assert_eq!(site.sessions.sessions_of("ann").await.unwrap().len(), 100);
}

/// 31. However fast the script is: what is in use stays.
#[tokio::test]
async fn a_script_that_signs_in_a_thousand_times_leaves_the_browser_in_use_signed_in() {
    for pace in [Duration::ZERO, 100 * MILLI, SECOND, 10 * SECOND] {
        let (site, store) = listing(Settings::default());
        let browser = sign_in(&site, 1).await.remove(0);
        site.clock.advance(120 * SECOND);
        for n in 0..1000 {
            if n % 5 == 0 {
                assert_eq!(get(&browser, "/subject").await, "ann", "{pace:?}, after {n}");
            }
            sign_in(&site, 1).await;
            site.clock.advance(pace);
        }
        assert_eq!(get(&browser, "/subject").await, "ann", "{pace:?}");
        let (_, loads) = store.counts();
        assert!(loads < 12_000, "{pace:?}: {loads} loads");
    }
}

/// 31. The index of a store does not tell of sign-ins that are not stored yet.
#[tokio::test]
async fn sign_ins_at_the_same_time_do_not_exceed_the_limit_together() {
    for _ in 0..20 {
        let settings = Settings::new().subject_limit(3);
        let site = Direct::new(Hesitant(MemoryStore::new()), settings, Script::default().routes());
        sign_in(&site, 2).await;
        let begun = [(); 3].map(|()| tokio::spawn(site.stranger().post("/in=ann")));
        for request in begun {
            assert_eq!(request.await.unwrap().status, 200);
        }
        assert_eq!(site.sessions.sessions_of("ann").await.unwrap().len(), 3);
    }
}

/// 31. Last used, not last signed in.
#[tokio::test]
async fn the_session_that_was_not_used_for_longest_ends() {
    let (site, _) = listing(Settings::new().subject_limit(3));
    let mut browsers = Vec::new();
    for _ in 0..3 {
        browsers.extend(sign_in(&site, 1).await);
        site.clock.advance(120 * SECOND);
    }
    for used in [0, 2] {
        assert_eq!(get(&browsers[used], "/subject").await, "ann");
        site.clock.advance(120 * SECOND);
    }
    browsers.extend(sign_in(&site, 1).await);
    let mut users = Vec::new();
    for browser in &browsers {
        users.push(browser.get("/subject").await.body);
    }
    assert_eq!(users, ["ann", "-", "ann", "ann"]);
}

/// 52. The most recently used first, with the data of no others.
#[tokio::test]
async fn the_most_recent_sessions_are_listed_without_reading_the_others() {
    let (site, store) = listing(Settings::new().subject_limit(None));
    let mut handles = Vec::new();
    let mut browsers = Vec::new();
    for _ in 0..120 {
        let browser = site.stranger();
        handles.push(browser.post("/in=ann/save/handle").await.body);
        browsers.push(browser);
        site.clock.advance(SECOND);
    }
    site.clock.advance(120 * SECOND);
    assert_eq!(get(&browsers[7], "/subject").await, "ann");
    store.counts();
    let recent = site.sessions.recent_sessions_of("ann", 3).await.unwrap();
    let listed: Vec<_> = recent.sessions.iter().map(|session| session.handle.to_string()).collect();
    assert_eq!((listed.as_slice(), recent.total), (&[7, 119, 118].map(|n| handles[n].clone())[..], 120));
    assert_eq!(store.counts(), (1, 3));
    for (limit, sessions) in [(0, 0), (50, 50), (1000, 120)] {
        let recent = site.sessions.recent_sessions_of("ann", limit).await.unwrap();
        assert_eq!((recent.sessions.len(), recent.total), (sessions, 120));
    }
    browsers[7].post("/out").await;
    let recent = site.sessions.recent_sessions_of("ann", 1).await.unwrap();
    assert_eq!((recent.sessions[0].handle.to_string(), recent.total), (handles[119].clone(), 119));
    let none = site.sessions.recent_sessions_of("bob", 5).await.unwrap();
    assert_eq!((none.sessions.len(), none.total), (0, 0));
}

/// 30, 52. Listing is not needed to sign out everywhere.
#[tokio::test]
async fn everything_ends_where_listing_fails() {
    let (site, store) = listing(Settings::default());
    let browsers = sign_in(&site, 20).await;
    let own = site.sessions.sessions_of("ann").await.unwrap()[0].handle;
    store.broken.store(true, SeqCst);
    assert!(site.sessions.sessions_of("ann").await.is_err());
    assert_eq!(site.sessions.end_all("ann", Some(&own)).await.unwrap(), 19);
    assert_eq!(site.sessions.end_all("ann", None).await.unwrap(), 1);
    for browser in &browsers {
        assert_eq!(browser.get("/subject").await.body, "-");
    }
}

/// All get a tombstone each while there is time, so that late requests of their browsers set no cookie.
#[tokio::test]
async fn the_sessions_that_end_together_are_remembered_as_ended() {
    let (site, _) = listing(Settings::default());
    let browsers = sign_in(&site, 100).await;
    assert_eq!(site.sessions.end_all("ann", None).await.unwrap(), 100);
    for browser in &browsers {
        assert_eq!(browser.get("/origin").await.body, "superseded");
    }
}
