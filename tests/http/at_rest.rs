//! What a store holds, and what whoever reads it can do with that. That keys are refused unless random, that secrets compare
//! in constant time, are wiped and never printed (SECURITY 38, 39), and what every hash must be (SECURITY 40) is shown where
//! tokens are made.

use cloakroom::stores::MemoryStore;
use cloakroom::testing::FaultyStore;
use cloakroom::{SecretKey, SessionManager, Settings};
use cloakroom_redb::RedbStore;
use cloakroom_store::{Key, Record, Revision, Scan, Store, Timestamp, encode};
use cloakroom_tests::{Browser, Site};
use sha2::{Digest, Sha256};

use crate::routes::{decoded, encoded, look_with, put, routes, secret_key, sign_in};
use crate::spellings::Secrets;

fn keyed() -> Settings {
    Settings::new().secret_key(secret_key(1))
}

/// Sessions of every kind: new, rotated, signed in, replaced, ended, and a remembered one. Answers every token that there
/// ever was.
async fn live_through_everything(site: &Site) -> Vec<String> {
    let mut tokens = Vec::new();
    for last in ["/look", "/rotate", "/sign-out"] {
        let browser = Browser::new(site);
        tokens.push(put(&browser, "red").await);
        browser.post("/rotate").await;
        tokens.extend(browser.token());
        tokens.push(sign_in(&browser, "ann").await);
        tokens.push(sign_in(&browser, "bob").await);
        put(&browser, "red").await;
        browser.post(last).await;
        tokens.extend(browser.token());
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 3 * 4 + 1);
    tokens
}

fn secrets(tokens: &[String]) -> Secrets {
    let mut secrets = Secrets::default();
    tokens.iter().for_each(|token| secrets.add_token(token));
    secrets
}

async fn records(store: &impl Scan) -> Vec<(Key, Record)> {
    let page = store.page(None, 1000).await.unwrap();
    assert!(page.next.is_none());
    page.items
}

async fn dump(store: &impl Scan) -> Vec<u8> {
    let mut dump = format!("{store:?}").into_bytes();
    for (key, record) in records(store).await {
        dump.extend_from_slice(key.as_bytes());
        dump.extend_from_slice(&encode(&key, &record));
        dump.extend_from_slice(format!("{key} {key:?} {record:?} {:?}", record.subject).as_bytes());
    }
    dump
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at| &text[at..at + 2];
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(digits(at), 16).unwrap()).collect()
}

/// SECURITY 35.
#[tokio::test]
async fn a_store_holds_no_part_of_a_token() {
    for settings in [Settings::default(), keyed()] {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = folder.path().join("sessions");
        let memory = MemoryStore::builder().snapshot(&snapshot).open().unwrap();
        let store = FaultyStore::new(memory);
        let site = Site::start(store.clone(), settings, routes()).await;
        let secrets = secrets(&live_through_everything(&site).await);

        let dump = dump(store.inner()).await;
        assert!(dump.windows(3).any(|bytes| bytes == b"red"), "the dump shows what is there");
        secrets.assert_absent_from("the records", &dump);
        store.inner().save_snapshot().unwrap();
        secrets.assert_absent_from("the snapshot", &std::fs::read(snapshot).unwrap());
    }
}

/// SECURITY 35. An embedded file keeps what was freed and not yet overwritten, too.
#[tokio::test]
async fn a_file_holds_no_part_of_a_token() {
    let folder = tempfile::tempdir().unwrap();
    for (name, settings) in [("plain", Settings::default()), ("keyed", keyed())] {
        let path = folder.path().join(name);
        let store = FaultyStore::new(RedbStore::open(&path).unwrap());
        let site = Site::start(store.clone(), settings, routes()).await;
        let secrets = secrets(&live_through_everything(&site).await);

        secrets.assert_absent_from("the records", &dump(store.inner()).await);
        let file = std::fs::read(&path).unwrap();
        assert!(file.windows(5).any(|bytes| bytes == b"\"red\""), "the file shows what is there");
        secrets.assert_absent_from("the file", &file);
    }
}

/// SECURITY 35. Without the key nobody can tell whether a token that he saw belongs to a session of this store.
#[tokio::test]
async fn with_a_key_the_hashes_are_keyed() {
    for (settings, is_found) in [(Settings::default(), true), (keyed(), false)] {
        let store = FaultyStore::new(MemoryStore::new());
        let site = Site::start(store.clone(), settings, routes()).await;
        let token = decoded(&put(&Browser::new(&site), "red").await);
        let locator_at = if token.len() == 32 { 0 } else { 2 };
        let halves = &token[locator_at..locator_at + 32];
        let name = b"__Host-id";
        let key = Sha256::new()
            .chain_update(b"cloakroom/key/1")
            .chain_update((name.len() as u64).to_be_bytes())
            .chain_update(name)
            .chain_update(&halves[..16])
            .finalize();
        let verifier = Sha256::new().chain_update(b"cloakroom/verifier/1").chain_update(halves).finalize();
        let dump = dump(store.inner()).await;
        assert_eq!(dump.windows(32).any(|bytes| bytes == &key[..]), is_found);
        assert_eq!(dump.windows(16).any(|bytes| bytes == &verifier[..16]), is_found);
    }
}

/// SECURITY 35. Neither do two halves found in the store, put together at will.
#[tokio::test]
async fn nothing_in_a_store_opens_a_session() {
    for (settings, length) in [(Settings::default(), 32), (keyed(), 50)] {
        let store = FaultyStore::new(MemoryStore::new());
        let site = Site::start(store.clone(), settings, routes()).await;
        let browser = Browser::new(&site);
        put(&browser, "red").await;
        let [(key, record)] = &records(store.inner()).await[..] else { panic!("one session") };
        let verifier = &record.data[2..18];
        let mut guesses: Vec<Vec<u8>> = vec![
            [&key.as_bytes()[..16], verifier].concat(),
            [&key.as_bytes()[16..], verifier].concat(),
            [verifier, verifier].concat(),
        ];
        let stored = [key.as_bytes(), &encode(key, record)[..], key.as_bytes()].concat();
        guesses.extend(stored.windows(length).map(<[u8]>::to_vec));
        for guess in guesses {
            let body = look_with(&browser, format!("__Host-id={}", encoded(&guess))).await.body;
            assert!(["unknown -", "fresh -"].contains(&body.as_str()), "{body}");
        }
    }
}

/// SECURITY 34.
#[tokio::test]
async fn a_handle_is_no_token() {
    for settings in [Settings::default(), keyed()] {
        let store = FaultyStore::new(MemoryStore::new());
        let site = Site::start(store.clone(), settings, routes()).await;
        let browser = Browser::new(&site);
        let token = sign_in(&browser, "ann").await;
        put(&browser, "red").await;
        let handle = browser.get("/handle").await.body;
        assert_eq!(handle.len(), 64);
        let bytes = unhex(&handle);

        let thief = Browser::new(&site);
        for guess in [handle.clone(), encoded(&bytes), encoded(handle.as_bytes()), handle[..43].to_owned()] {
            let body = look_with(&thief, format!("__Host-id={guess}")).await.body;
            assert!(["unknown -", "fresh -"].contains(&body.as_str()), "{guess}: {body}");
        }
        // Nor does a list of sessions show anything but handles.
        let listed = format!("{:?}", site.sessions.sessions_of("ann").await.unwrap());
        assert!(listed.contains(&handle), "{listed}");
        secrets(&[token]).assert_absent_from("the list", listed.as_bytes());
    }
}

/// SECURITY 38.
#[tokio::test]
async fn sessions_of_a_previous_key_go_on_until_it_is_removed() {
    let store = FaultyStore::new(MemoryStore::new());
    let [old, new] = [secret_key(1), secret_key(2)];
    let settings = |key: SecretKey, previous: &[SecretKey]| {
        Settings::new().secret_key(key).previous_secret_keys(previous.iter().cloned())
    };
    let before = Site::start(store.clone(), settings(old.clone(), &[]), routes()).await;
    let during = Site::start(store.clone(), settings(new.clone(), &[old]), routes()).await;
    let after = Site::start(store.clone(), settings(new, &[]), routes()).await;

    let early = Browser::new(&before);
    put(&early, "red").await;
    let early = early.at_server(&during);
    assert_eq!(early.get("/look").await.body, "resumed red");
    sign_in(&early, "ann").await;
    assert_eq!(early.get("/look").await.body, "resumed red");

    let late = Browser::new(&during);
    put(&late, "blue").await;
    assert_eq!(late.at_server(&after).get("/look").await.body, "resumed blue");

    let calls = store.count_all();
    assert_eq!(early.at_server(&after).get("/look").await.body, "fresh -");
    assert_eq!(store.count_all(), calls);
}

/// SECURITY 38. All refusals are shown where keys are read.
#[test]
fn a_key_that_cannot_protect_anything_makes_no_sessions() {
    for text in ["", "hunter2", &"00".repeat(32), &"0123456789abcdef".repeat(4), &"aa55".repeat(16)] {
        let error = text.parse::<cloakroom::SecretKey>().unwrap_err();
        assert_eq!(error.setting(), "secret_key");
        assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
    }
    let settings = Settings::new().secret_key(secret_key(1)).previous_secret_keys([secret_key(1)]);
    let error = SessionManager::new(MemoryStore::new(), settings).unwrap_err();
    assert_eq!(error.setting(), "previous_secret_keys");
}

/// SECURITY 40. A record written down by hand as the format says, with Python:
///
/// ```python
/// import hashlib, struct
/// locator, secret = bytes(range(16)), bytes(range(0xf0, 0x100))
/// verifier = hashlib.sha256(b"cloakroom/verifier/1" + locator + secret).digest()[:16]
/// now = 1735689600000
/// times = struct.pack("<QQQ", now, now, now + 24 * 3600 * 1000)
/// value = b'"red"'
/// entry = bytes([4]) + b"coat" + struct.pack("<I", len(value)) + value
/// print((bytes([1, 0]) + verifier + times + struct.pack("<H", 1) + entry).hex())
/// ```
#[tokio::test]
async fn a_session_written_by_hand_from_the_documented_format_is_resumed() {
    const TOKEN: &str = "1AAECAwQFBgcICQoLDA0OD_Dx8vP09fb3-Pn6-_z9_v8";
    const KEY: &str = "004846822f8fdb1615f93187423d7de6b25b43abfc0c41d063b7b76df9383665";
    const DATA: &str = "01008d794c784ffebc06f1b6a24f331c91e5007c291f94010000007c291f9401000000d84f24940100000100\
        04636f6174050000002272656422";
    let store = FaultyStore::new(MemoryStore::new());
    let expires_at = Timestamp::from_millis(1_735_689_600_000 + 3_600_000);
    let record = Record::new(Revision::new(1), expires_at, unhex(DATA));
    store.create(&KEY.parse().unwrap(), &record, Timestamp::from_millis(0)).await.unwrap();
    let site = Site::start(store, Settings::default(), routes()).await;
    let response = look_with(&Browser::new(&site), format!("__Host-id={TOKEN}")).await;
    assert_eq!(response.body, "resumed red");
}
