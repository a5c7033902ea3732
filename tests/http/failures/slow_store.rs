//! A store that takes its time: streams that last, and shutdown.

use super::*;

/// F13. A stream that lasts: its store calls have a budget each, not one for all.
#[tokio::test(start_paused = true)]
async fn a_long_stream_does_not_run_out_of_its_store_budget() {
    let (store, script) = (Sluggish(MemoryStore::new()), Script::default());
    let site = Direct::new(store, Settings::default(), script.routes());
    site.post("/set=x:1").await;
    let path = format!("/get=x/stream{}/add=x", "/reload".repeat(20));
    assert_eq!(site.post(&path).await.body, format!("{}2 ", "true ".repeat(20)));
}

/// F20. A shutdown waits for what is being saved, and says when that does not end.
#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_commits_under_way() {
    let store = Arc::new(Sluggish(MemoryStore::new()));
    let site = Direct::new(Arc::clone(&store), Settings::default(), Script::default().routes());
    site.post("/set=x:1").await;
    let before = store.0.page(None, 1).await.unwrap().items;
    let mut request = site.post("/set=x:2");
    // The load takes a second; then the handler has answered, and the commit is under way.
    assert!(tokio::time::timeout(SECOND + SECOND / 2, &mut request).await.is_err());
    drop(request);
    assert!(site.sessions.shutdown().await);
    assert_ne!(store.0.page(None, 1).await.unwrap().items, before, "saved by now");
    assert_eq!(site.get("/get=x").await.body, "2");
}

/// F20. What never ends is not waited for for ever.
#[tokio::test(start_paused = true)]
async fn shutdown_gives_up_after_ten_seconds() {
    let settings = Settings::new().store_timeout(60 * SECOND).store_budget(60 * SECOND);
    let (site, store, _) = site(settings);
    site.post("/set=x:1").await;
    store.fail_calls(Call::Replace, Fault::Silence);
    let request = tokio::spawn(site.post("/set=x:2"));
    while store.count(Call::Replace) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(tokio::time::timeout(9 * SECOND, site.sessions.shutdown()).await.is_err());
    assert!(!tokio::time::timeout(11 * SECOND, site.sessions.shutdown()).await.expect("ten seconds"));
    request.abort();
}

/// A store whose every call takes a second.
#[derive(Debug)]
struct Sluggish(MemoryStore);

impl Sluggish {
    async fn after<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::time::sleep(SECOND).await;
        work.await
    }
}

impl Store for Sluggish {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> cloakroom_store::Result<()> {
        self.after(self.0.create(key, record, now)).await
    }
    async fn load(&self, key: &Key) -> cloakroom_store::Result<Option<Record>> {
        self.after(self.0.load(key)).await
    }
    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> cloakroom_store::Result<()> {
        self.after(self.0.replace(key, record, expected, now)).await
    }
    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> cloakroom_store::Result<bool> {
        self.after(self.0.touch(key, now, expires_at)).await
    }
    async fn delete(&self, key: &Key) -> cloakroom_store::Result<bool> {
        self.after(self.0.delete(key)).await
    }
    async fn purge(&self, cutoff: Timestamp, limit: usize) -> cloakroom_store::Result<usize> {
        self.after(self.0.purge(cutoff, limit)).await
    }
    fn facets(&self) -> cloakroom_store::Facets<'_> {
        cloakroom_store::Facets::none()
    }
}
