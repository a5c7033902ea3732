use std::sync::Mutex;

use cloakroom_store::{Error, Facets, Notices, Record, Result, Revision, Store, Timestamp};
use tokio::sync::broadcast;
use tokio::time::{sleep, timeout};

use super::*;
use crate::clock::Stopwatch;
use crate::config::Settings;
use crate::info::EndReason;
use crate::lifecycle::{self, Changes, Draft, SignIn, Snapshot, Visit};
use crate::manager::SessionManager;
use crate::stores::MemoryStore;
use crate::testing::{Call, Fault, FaultyStore, TestClock, manager};
use crate::token::Verifier;
use crate::watch::OwnSecrets;

const INTERVAL: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// A manager, and one session that a user has signed in to.
struct Site {
    sessions: SessionManager,
    store: FaultyStore<MemoryStore>,
    clock: TestClock,
    key: Key,
    secret: Verifier,
}

impl Site {
    async fn new() -> Self {
        Self::with(Settings::new().watch_interval(INTERVAL)).await
    }

    async fn with(settings: Settings) -> Self {
        let (clock, store) = (TestClock::new(), FaultyStore::new(MemoryStore::new()));
        let sessions = manager(store.clone(), settings, &clock).unwrap();
        let (key, secret) = begin(sessions.engine(), &store).await;
        Self { sessions, store, clock, key, secret }
    }

    fn engine(&self) -> &Arc<Engine> {
        self.sessions.engine()
    }

    fn watch(&self) -> SessionEnd {
        watch(self.engine(), self.key, self.secret)
    }

    async fn snapshot(&self) -> Snapshot {
        let record = self.store.inner().load(&self.key).await.unwrap().unwrap();
        self.engine().rules.read(&self.key, &record).unwrap_or_else(|_| unreachable!()).unwrap()
    }

    /// Writes past the engine, as another process does.
    async fn write(&self, draft: &Draft) {
        let (old, record) = (self.snapshot().await, self.engine().rules.record(draft));
        self.store.inner().replace(&self.key, &record, old.revision, self.clock.now()).await.unwrap();
    }

    /// Another process ends the session.
    async fn end(&self) {
        let (snapshot, engine) = (self.snapshot().await, self.engine());
        self.write(&lifecycle::end(&snapshot, engine.now())).await;
    }

    /// Another process changes the session, under a new secret.
    async fn renew(&self, changes: &Changes) -> Verifier {
        let (snapshot, engine) = (self.snapshot().await, self.engine());
        let rules = &engine.rules;
        let verifier = rules.keyring.verifier(&rules.mint().unwrap());
        let now = engine.now();
        let visit = Visit {
            presented: Some(self.secret),
            client: Default::default(),
            began: now,
            late_window: Duration::ZERO,
            streams: false,
        };
        let revised =
            lifecycle::revise(&snapshot, changes, Some(verifier), &visit, true, now, &rules.policy).unwrap();
        let lifecycle::Revised::Write(draft) = revised else { panic!("there is a new secret") };
        self.write(&draft).await;
        verifier
    }

    /// Both clocks go on.
    async fn pass(&self, duration: Duration) {
        let mut left = duration;
        while !left.is_zero() {
            let step = left.min(SECOND);
            self.clock.advance(step);
            sleep(step).await;
            left -= step;
        }
    }
}

async fn begin(engine: &Engine, store: &FaultyStore<MemoryStore>) -> (Key, Verifier) {
    let rules = &engine.rules;
    let token = rules.mint().unwrap();
    let (key, verifier) = (rules.keyring.key(&token), rules.keyring.verifier(&token));
    let subject = cloakroom_store::Subject::new("ann").unwrap();
    let changes =
        Changes { sign_in: Some(SignIn { subject, after: Default::default() }), ..Changes::default() };
    let draft = lifecycle::begin(&changes, verifier, &Default::default(), engine.now(), &rules.policy)
        .unwrap()
        .unwrap();
    store.inner().create(&key, &rules.record(&draft), engine.now()).await.unwrap();
    (key, verifier)
}

fn watch(engine: &Arc<Engine>, key: Key, secret: Verifier) -> SessionEnd {
    let secrets = Arc::new(OwnSecrets::default());
    secrets.add(secret);
    engine.watch(key, Watched { secrets, address: None, expires_at: None })
}

/// What it resolves with by now.
async fn so_far(end: &mut SessionEnd) -> Option<EndReason> {
    timeout(Duration::from_millis(5), end).await.ok()
}

#[tokio::test(start_paused = true)]
async fn an_end_in_this_process_is_told_at_once() {
    let site = Site::new().await;
    let mut end = site.watch();
    assert_eq!(so_far(&mut end).await, None);
    assert!(site.sessions.end(&crate::info::SessionHandle::new(site.key)).await.unwrap());
    assert_eq!(so_far(&mut end).await, Some(EndReason::Ended));
    assert_eq!(so_far(&mut end).await, Some(EndReason::Ended), "it stays so");
}

#[tokio::test(start_paused = true)]
async fn an_end_elsewhere_is_noticed_within_the_interval() {
    let site = Site::new().await;
    let mut end = site.watch();
    assert_eq!(so_far(&mut end).await, None);
    site.end().await;
    assert_eq!(so_far(&mut end).await, None);
    let watch = Stopwatch::start();
    assert_eq!(end.await, EndReason::Ended);
    assert!(watch.elapsed() <= INTERVAL && watch.elapsed() >= INTERVAL * 8 / 10, "{:?}", watch.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_end_before_the_first_look_is_not_missed() {
    let site = Site::new().await;
    site.end().await;
    let mut end = site.watch();
    assert_eq!(so_far(&mut end).await, Some(EndReason::Ended));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_gone_has_ended_or_expired() {
    let site = Site::new().await;
    let (mut ended, other) = (site.watch(), begin(site.engine(), &site.store).await);
    let mut expired = watch(site.engine(), other.0, other.1);
    assert_eq!((so_far(&mut ended).await, so_far(&mut expired).await), (None, None));
    site.store.inner().delete(&site.key).await.unwrap();
    site.engine().changed(site.key);
    assert_eq!(so_far(&mut ended).await, Some(EndReason::Ended));
    site.clock.advance(Duration::from_secs(400 * 24 * 3600));
    site.store.inner().delete(&other.0).await.unwrap();
    site.engine().changed(other.0);
    assert_eq!(so_far(&mut expired).await, Some(EndReason::Expired));
}

#[tokio::test(start_paused = true)]
async fn an_expiry_is_told_when_it_comes() {
    let settings = Settings::new().watch_interval(Duration::from_secs(3600)).idle_timeout(100 * SECOND);
    let site = Site::with(settings).await;
    let mut end = site.watch();
    site.pass(99 * SECOND).await;
    assert_eq!(so_far(&mut end).await, None);
    site.pass(SECOND).await;
    assert_eq!(so_far(&mut end).await, Some(EndReason::Expired));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_others_touched_goes_on_past_its_first_expiry() {
    let settings = Settings::new().watch_interval(Duration::from_secs(3600)).idle_timeout(100 * SECOND);
    let site = Site::with(settings).await;
    let mut end = site.watch();
    site.pass(50 * SECOND).await;
    let (now, to) = (site.clock.now(), site.clock.now().saturating_add(100 * SECOND));
    assert!(site.store.inner().touch(&site.key, now, to).await.unwrap());
    site.pass(60 * SECOND).await;
    assert_eq!(so_far(&mut end).await, None);
    site.pass(40 * SECOND).await;
    assert_eq!(so_far(&mut end).await, Some(EndReason::Expired));
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_elsewhere_supersedes_at_once_and_a_rotation_after_its_grace() {
    let hour = Duration::from_secs(3600);
    let settings = Settings::new().watch_interval(hour).idle_timeout(3 * hour).grace(30 * SECOND);
    let site = Site::with(settings.clone()).await;
    let mut end = site.watch();
    assert_eq!(so_far(&mut end).await, None);
    let subject = cloakroom_store::Subject::new("ann").unwrap();
    let sign_in = Some(SignIn { subject, after: Default::default() });
    site.renew(&Changes { sign_in, ..Changes::default() }).await;
    site.engine().changed(site.key);
    assert_eq!(so_far(&mut end).await, Some(EndReason::Superseded));

    let site = Site::with(settings).await;
    let mut end = site.watch();
    let new = site.renew(&Changes { rotate: true, ..Changes::default() }).await;
    site.engine().changed(site.key);
    assert_eq!(so_far(&mut end).await, None);
    let mut of_new = watch(site.engine(), site.key, new);
    let grace = site.snapshot().await.header.previous.unwrap().1.since(site.clock.now());
    site.pass(grace - SECOND).await;
    assert_eq!(so_far(&mut end).await, None);
    site.pass(SECOND).await;
    assert_eq!(so_far(&mut end).await, Some(EndReason::Superseded));
    assert_eq!(so_far(&mut of_new).await, None, "the new secret goes on");
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_the_requests_own_does_not_end_it() {
    let site = Site::new().await;
    let secrets = Arc::new(OwnSecrets::default());
    secrets.add(site.secret);
    let watched = Watched { secrets: Arc::clone(&secrets), address: None, expires_at: None };
    let mut end = site.engine().watch(site.key, watched);
    let subject = cloakroom_store::Subject::new("ann").unwrap();
    let sign_in = Some(SignIn { subject, after: Default::default() });
    secrets.add(site.renew(&Changes { sign_in, ..Changes::default() }).await);
    site.engine().changed(site.key);
    assert_eq!(so_far(&mut end).await, None);
    site.end().await;
    site.engine().changed(site.key);
    assert_eq!(so_far(&mut end).await, Some(EndReason::Ended));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_tells_nobody_anything() {
    let site = Site::new().await;
    let mut end = site.watch();
    assert_eq!(so_far(&mut end).await, None);
    for fault in [Fault::Unavailable, Fault::Corrupt, Fault::Silence] {
        site.store.fail(fault);
        site.engine().changed(site.key);
        sleep(INTERVAL).await;
        assert_eq!(so_far(&mut end).await, None, "{fault:?}");
    }
    site.end().await;
    site.store.heal();
    let watch = Stopwatch::start();
    assert_eq!(end.await, EndReason::Ended);
    assert!(watch.elapsed() <= 10 * SECOND, "soon after the store is back: {:?}", watch.elapsed());
}

#[tokio::test(start_paused = true)]
async fn watchers_of_one_session_cost_one_load_and_no_write() {
    let site = Site::new().await;
    let mut ends: Vec<_> = (0..100).map(|_| site.watch()).collect();
    assert_eq!(so_far(&mut ends[0]).await, None);
    let before = site.store.count(Call::Load);
    sleep(10 * INTERVAL).await;
    let looks = site.store.count(Call::Load) - before;
    assert!((9..=12).contains(&looks), "{looks}");
    assert_eq!(site.store.count_all(), site.store.count(Call::Load));
    site.end().await;
    site.engine().changed(site.key);
    for end in ends {
        assert_eq!(end.await, EndReason::Ended);
    }
    assert_eq!(site.engine().watches.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_watched_no_more_and_then_nothing_runs() {
    let site = Site::new().await;
    assert!(!site.engine().watches.runs());
    let (mut one, two) = (site.watch(), site.watch());
    assert_eq!(so_far(&mut one).await, None);
    assert!(site.engine().watches.runs());
    drop(two);
    assert_eq!(site.engine().watches.len(), 1);
    drop(one);
    assert_eq!(site.engine().watches.len(), 0);
    sleep(IDLE + SECOND).await;
    assert!(!site.engine().watches.runs());
    let loads = site.store.count(Call::Load);
    sleep(10 * INTERVAL).await;
    assert_eq!(site.store.count(Call::Load), loads);
    // And again.
    let mut end = site.watch();
    site.end().await;
    assert_eq!(so_far(&mut end).await, Some(EndReason::Ended));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_stops_it_and_resolves_nothing() {
    let site = Site::new().await;
    let mut end = site.watch();
    assert_eq!(so_far(&mut end).await, None);
    assert!(site.sessions.shutdown().await);
    site.end().await;
    site.engine().changed(site.key);
    sleep(10 * INTERVAL).await;
    assert_eq!(so_far(&mut end).await, None);
    assert_eq!(so_far(&mut site.watch()).await, None);
    assert!(!site.engine().watches.runs());
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_manager() {
    let Site { sessions, store, key, secret, .. } = Site::new().await;
    let watches = Arc::clone(&sessions.engine().watches);
    let mut end = watch(sessions.engine(), key, secret);
    assert_eq!(so_far(&mut end).await, None);
    drop(sessions);
    sleep(SECOND).await;
    assert!(!watches.runs());
    let loads = store.count(Call::Load);
    assert_eq!(so_far(&mut end).await, None);
    sleep(10 * INTERVAL).await;
    assert_eq!(store.count(Call::Load), loads);
}

#[tokio::test(start_paused = true)]
async fn many_sessions_are_looked_at_a_few_at_a_time() {
    let site = Site::new().await;
    let mut ends = Vec::new();
    for _ in 0..100 {
        let (key, secret) = begin(site.engine(), &site.store).await;
        ends.push(watch(site.engine(), key, secret));
    }
    site.store.fail(Fault::Silence);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(site.store.count(Call::Load), AT_ONCE);
    site.store.heal();
    sleep(3 * SECOND).await;
    assert!(site.store.count(Call::Load) >= 100);
}

/// Two stores of this are two processes with one backend, which has messages.
#[derive(Clone, Debug)]
struct Messaging {
    records: FaultyStore<MemoryStore>,
    channel: broadcast::Sender<Key>,
    /// Closes connections.
    cut: broadcast::Sender<()>,
    listens: Arc<Mutex<Vec<Stopwatch>>>,
    away: Arc<AtomicBool>,
}

impl Messaging {
    fn new() -> Self {
        Self {
            records: FaultyStore::new(MemoryStore::new()),
            channel: broadcast::channel(16).0,
            cut: broadcast::channel(1).0,
            listens: Arc::default(),
            away: Arc::default(),
        }
    }

    fn attempts(&self) -> usize {
        self.listens.lock().unwrap().len()
    }
}

impl Store for Messaging {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.records.create(key, record, now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.records.load(key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        self.records.replace(key, record, expected, now).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.records.touch(key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.records.delete(key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.records.purge(cutoff, limit).await
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none().notices(self)
    }
}

impl Notices for Messaging {
    async fn publish(&self, key: &Key) -> Result<()> {
        if self.away.load(Ordering::Relaxed) {
            return Err(Error::unavailable("away"));
        }
        _ = self.channel.send(*key);
        Ok(())
    }

    async fn listen(&self, receive: &(dyn Fn(Notice) + Send + Sync)) -> Result<()> {
        self.listens.lock().unwrap().push(Stopwatch::start());
        if self.away.load(Ordering::Relaxed) {
            return Err(Error::unavailable("away"));
        }
        let (mut messages, mut cut) = (self.channel.subscribe(), self.cut.subscribe());
        receive(Notice::Listening);
        loop {
            tokio::select! {
                message = messages.recv() => receive(Notice::Changed(message.unwrap())),
                _ = cut.recv() => return Err(Error::unavailable("cut")),
            }
        }
    }
}

async fn two_processes(store: &Messaging) -> (SessionManager, SessionManager, Key, Verifier) {
    let settings = || Settings::new().watch_interval(Duration::from_secs(3600));
    let clock = TestClock::new();
    let here = manager(store.clone(), settings(), &clock).unwrap();
    let there = manager(store.clone(), settings(), &clock).unwrap();
    let (key, secret) = begin(here.engine(), &store.records).await;
    (here, there, key, secret)
}

#[tokio::test(start_paused = true)]
async fn a_message_tells_another_process_at_once() {
    let store = Messaging::new();
    let (here, there, key, secret) = two_processes(&store).await;
    let mut end = watch(here.engine(), key, secret);
    assert_eq!(so_far(&mut end).await, None);
    let before = store.records.count(Call::Load);
    store.publish(&key).await.unwrap();
    assert_eq!(so_far(&mut end).await, None, "a message is a hint");
    assert_eq!(store.records.count(Call::Load), before + 1, "and the record decides");
    assert!(there.end(&crate::info::SessionHandle::new(key)).await.unwrap());
    assert_eq!(so_far(&mut end).await, Some(EndReason::Ended));
}

#[tokio::test(start_paused = true)]
async fn what_was_told_while_the_connection_was_lost_is_seen_when_it_is_back() {
    let store = Messaging::new();
    let (here, there, key, secret) = two_processes(&store).await;
    let mut end = watch(here.engine(), key, secret);
    assert_eq!(so_far(&mut end).await, None);
    store.away.store(true, Ordering::Relaxed);
    store.cut.send(()).unwrap();
    assert!(there.end(&crate::info::SessionHandle::new(key)).await.unwrap(), "it does not need the message");
    sleep(60 * SECOND).await;
    assert_eq!(so_far(&mut end).await, None);
    assert!((8..=20).contains(&store.attempts()), "with growing pauses: {}", store.attempts());
    store.away.store(false, Ordering::Relaxed);
    let watch = Stopwatch::start();
    assert_eq!(end.await, EndReason::Ended);
    assert!(watch.elapsed() <= LONGEST_PAUSE);
}

#[tokio::test(start_paused = true)]
async fn nothing_listens_unless_something_is_watched() {
    let store = Messaging::new();
    let (here, there, key, secret) = two_processes(&store).await;
    let end = watch(here.engine(), key, secret);
    sleep(SECOND).await;
    assert_eq!((store.attempts(), store.channel.receiver_count()), (1, 1));
    drop(end);
    sleep(IDLE + SECOND).await;
    assert_eq!(store.channel.receiver_count(), 0);
    drop(there);
}
