//! Sessions that a later version of cloakroom has written to, in the middle of a rolling deployment. `docs/format.md` says
//! how it adds to them.

use std::time::Duration;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Call, FaultyStore};
use cloakroom::{Locking, Settings};
use cloakroom_store::{Key, Record, Revision, Scan, Store};
use cloakroom_tests::{Browser, Request, Site};

use crate::routes::{look_with, put, routes, sign_in};

/// The bits of a tag.
const CRITICAL: u16 = 1 << 15;
const SURVIVES_WRITE: u16 = 1 << 14;
const SURVIVES_NEW_SECRET: u16 = 1 << 13;
const SURVIVES_REAUTHENTICATION: u16 = 1 << 12;

/// Values of the tags in [`tags`].
const FLEETING: &[u8] = b"FLEETING";
const WRITTEN: &[u8] = b"WRITTEN";
const ROTATED: &[u8] = b"ROTATED";
const LASTING: &[u8] = b"LASTING";

/// One tag for each of what may be survived.
fn tags() -> Vec<u8> {
    let written = SURVIVES_WRITE | SURVIVES_NEW_SECRET;
    let bits = [0, SURVIVES_WRITE, written, written | SURVIVES_REAUTHENTICATION];
    let values = [FLEETING, WRITTEN, ROTATED, LASTING];
    let numbered = (7..).zip(bits.into_iter().zip(values));
    numbered.flat_map(|(number, (bits, value))| tag(number, bits, value)).collect()
}

fn tag(number: u16, bits: u16, value: &[u8]) -> Vec<u8> {
    [&(number | bits).to_le_bytes(), &(value.len() as u16).to_le_bytes(), value].concat()
}

struct Deployment {
    store: FaultyStore<MemoryStore>,
    site: Site,
}

impl Deployment {
    async fn new(settings: Settings) -> Self {
        let store = FaultyStore::new(MemoryStore::new());
        let site = Site::start(store.clone(), settings, routes()).await;
        Self { store, site }
    }

    async fn records(&self) -> Vec<(Key, Record)> {
        Scan::page(self.store.inner(), None, 100).await.unwrap().items
    }

    /// The record of the only session.
    async fn record(&self) -> (Key, Record) {
        let mut records = self.records().await;
        assert_eq!(records.len(), 1);
        records.remove(0)
    }

    /// A server of a later version writes `addition` behind the session's data.
    async fn extend(&self, addition: &[u8]) {
        let (key, record) = self.record().await;
        let data = [&record.data[..], addition].concat();
        self.write(key, &record, data).await;
    }

    async fn write(&self, key: Key, record: &Record, data: Vec<u8>) {
        let later = Record::new(Revision::new(record.revision.get() ^ 1 << 60), record.expires_at, data)
            .with_subject(record.subject.clone());
        self.store
            .inner()
            .replace(&key, &later, record.revision, cloakroom_store::Timestamp::from_millis(0))
            .await
            .unwrap();
    }

    /// Which tags the only session has.
    async fn kept(&self) -> Vec<&'static [u8]> {
        let (_, record) = self.record().await;
        let is_there = |value: &&[u8]| record.data.windows(value.len()).any(|bytes| bytes == *value);
        [FLEETING, WRITTEN, ROTATED, LASTING].into_iter().filter(is_there).collect()
    }
}

#[tokio::test]
async fn what_a_later_version_added_is_kept_or_dropped_as_its_bits_say_and_hinders_nothing() {
    let settings = Settings::new().anonymous_idle_timeout(Duration::from_secs(3600));
    let deployment = Deployment::new(settings).await;
    let browser = Browser::new(&deployment.site);
    put(&browser, "red").await;
    let extended = async || {
        deployment.extend(&tags()).await;
        assert_eq!(browser.get("/look").await.body, "resumed red");
    };

    extended().await;
    deployment.site.clock.advance(Duration::from_secs(120));
    assert_eq!(browser.get("/look").await.body, "resumed red");
    assert!(deployment.site.sessions.shutdown().await, "the touch is made");
    assert_eq!(deployment.store.count(Call::Touch), 1);
    assert_eq!(deployment.kept().await.len(), 4, "a touch writes no data");

    put(&browser, "blue").await;
    assert_eq!(deployment.kept().await, [WRITTEN, ROTATED, LASTING], "after a write");
    assert_eq!(browser.post("/rotate").await.status, 200);
    assert_eq!(deployment.kept().await, [ROTATED, LASTING], "after a rotation");
    sign_in(&browser, "ann").await;
    assert_eq!(deployment.kept().await, [LASTING], "after a sign-in");
    sign_in(&browser, "ann").await;
    assert_eq!(deployment.kept().await, [LASTING], "after a sign-in of the same user");
    assert_eq!(browser.get("/look").await.body, "resumed blue");
    sign_in(&browser, "bob").await;
    assert!(deployment.kept().await.is_empty(), "after another user's sign-in");

    deployment.extend(&tags()).await;
    assert_eq!(browser.post("/sign-out").await.status, 200);
    assert!(deployment.kept().await.is_empty(), "a tombstone holds nothing");
}

/// Each way in which a later version can say that this one must not use a session.
fn unreadable(data: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let critical = [data, &tag(9, CRITICAL | SURVIVES_WRITE, b"sealed")].concat();
    let (mut version, mut flag) = (data.to_vec(), data.to_vec());
    version[0] += 1;
    flag[1] |= 1 << 7;
    [("a critical tag", critical), ("a version", version), ("a flag", flag)]
}

#[tokio::test]
async fn a_session_that_only_a_later_version_can_read_is_unavailable_and_its_cookie_stays() {
    for locking in [Locking::ByMethod, Locking::Implicit, Locking::Early] {
        for case in 0..3 {
            let deployment = Deployment::new(Settings::new().locking(locking).ignore_expiry(false)).await;
            let browser = Browser::new(&deployment.site);
            put(&browser, "red").await;
            let (key, record) = deployment.record().await;
            let (what, data) = unreadable(&record.data).remove_nth(case);
            deployment.write(key, &record, data).await;
            let before = deployment.record().await;

            for request in
                [Request::get("/look"), Request::post("/rotate"), Request::post("/put").body("blue")]
            {
                let response = browser.send(request).await;
                assert_eq!((response.status, response.cookies().len()), (503, 0), "{what}, {locking:?}");
            }
            assert_eq!(browser.get("/untouched").await.status, 200, "{what}, {locking:?}");
            assert_eq!(deployment.record().await, before, "{what}: nothing was written");
        }
    }
}

#[tokio::test]
async fn a_session_that_only_a_later_version_can_read_can_be_signed_in_anew_and_ended() {
    for case in 0..3 {
        for locking in [Locking::ByMethod, Locking::Early] {
            let deployment = Deployment::new(Settings::new().locking(locking)).await;
            let browser = Browser::new(&deployment.site);
            let old = put(&browser, "red").await;
            let (key, record) = deployment.record().await;
            let (what, data) = unreadable(&record.data).remove_nth(case);
            deployment.write(key, &record, data.clone()).await;

            let new = sign_in(&browser, "ann").await;
            assert_ne!(new[..22], old[..22], "{what}: under a locator of its own");
            assert_eq!(browser.get("/look").await.body, "resumed -", "{what}: nothing came along");
            let (left, _) = deployment.record().await;
            assert_ne!(left, key, "{what}: the session before is gone");

            let (key, record) = deployment.record().await;
            let (_, data) = unreadable(&record.data).remove_nth(case);
            deployment.write(key, &record, data).await;
            let response = browser.post("/sign-out").await;
            assert_eq!(response.status, 200, "{what}, {locking:?}");
            assert!(browser.jar().is_empty(), "{what}: the browser has forgotten it");
            assert_eq!(deployment.records().await.len(), 0, "{what}: deleted, for it cannot be replaced");
        }
    }
}

#[tokio::test]
async fn sessions_that_only_a_later_version_can_read_end_with_their_user_s_and_by_their_handles() {
    for case in 0..3 {
        for by_handle in [true, false] {
            let deployment = Deployment::new(Settings::default()).await;
            let browser = Browser::new(&deployment.site);
            sign_in(&browser, "ann").await;
            let handle = browser.get("/handle").await.body.parse().unwrap();
            let (key, record) = deployment.record().await;
            let (what, data) = unreadable(&record.data).remove_nth(case);
            deployment.write(key, &record, data).await;

            let sessions = &deployment.site.sessions;
            match by_handle {
                true => assert!(sessions.end_of("ann", &handle).await.unwrap(), "{what}"),
                false => assert_eq!(sessions.end_all("ann", None).await.unwrap(), 1, "{what}"),
            }
            assert_eq!(deployment.records().await.len(), 0, "{what}");
            assert_eq!(browser.get("/look").await.body, "unknown -", "{what}");
        }
    }
}

/// A token with the locator and a secret that was replaced neither ends the session nor reads it.
#[tokio::test]
async fn a_replaced_secret_does_not_end_a_session_that_only_a_later_version_can_read() {
    let deployment = Deployment::new(Settings::default()).await;
    let browser = Browser::new(&deployment.site);
    let stolen = put(&browser, "red").await;
    sign_in(&browser, "ann").await;
    let (key, record) = deployment.record().await;
    let [(_, data), ..] = unreadable(&record.data);
    deployment.write(key, &record, data).await;

    let field = format!("__Host-id={stolen}");
    let thief = Browser::new(&deployment.site);
    let response = thief.send_and_ignore_cookies(Request::post("/sign-out").header("Cookie", &field)).await;
    assert_eq!(response.cookies().len(), 0, "{response:?}");
    assert_eq!(deployment.record().await.0, key);
    assert_eq!(look_with(&thief, &field).await.status, 503);
}

/// Takes one of several.
trait RemoveNth<T> {
    fn remove_nth(self, nth: usize) -> T;
}

impl<T, const N: usize> RemoveNth<T> for [T; N] {
    fn remove_nth(self, nth: usize) -> T {
        self.into_iter().nth(nth).unwrap()
    }
}
