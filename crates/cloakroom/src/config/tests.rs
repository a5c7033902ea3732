use cloakroom_store::{Facets, Key, Record, Revision, Store, Timestamp};

use super::*;
use crate::manager::SessionManager;
use crate::stores::MemoryStore;

mod defaults;
mod reading;

const KEY: &str = "RuT5k/RmKdS8rOShDxJ7vlnMmWkO8JtyjlR7EOHS6pg=";
const OTHER_KEY: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn refusal(settings: Settings) -> Option<ConfigError> {
    SessionManager::new(MemoryStore::new(), settings).err()
}

/// Bad values, each with what its error says of it; `""` where the value must not be shown.
type Bad = Vec<(&'static str, Settings)>;

macro_rules! bad {
    ($($shown:literal: { $($setter:ident: $value:expr),+ $(,)? }),* $(,)?) => {
        vec![$(($shown, Settings::new()$(.$setter($value))+)),*]
    };
}

/// Names every setting, so that a new one does not compile before it is listed here, with its bad values, or with none where
/// its type has none.
fn bad_values() -> Vec<(&'static str, Bad)> {
    let Settings {
        cookie_name: _,
        cookie_domain: _,
        cookie_path: _,
        cookie_same_site: _,
        persistent: _,
        danger_allow_plain_http: _,
        danger_allow_script_access: _,
        idle_timeout: _,
        absolute_timeout: _,
        anonymous_idle_timeout: _,
        grace: _,
        late_window: _,
        late_window_upload: _,
        remember_within: _,
        ignore_expiry: _,
        expired_message: _,
        expired_status: _,
        ignore_change_ip: _,
        trusted_proxies: _,
        client_ip_header: _,
        request_start_header: _,
        record_client: _,
        secret_key: _,
        previous_secret_keys: _,
        initializer: _,
        max_record_bytes: _,
        anonymous_max_bytes: _,
        max_keys: _,
        max_key_bytes: _,
        max_depth: _,
        locking: _,
        lock_timeout: _,
        max_lock_waiters: _,
        lease_ttl: _,
        lease_limit: _,
        on_conflict: _,
        store_timeout: _,
        store_budget: _,
        sweep_interval: _,
        watch_interval: _,
        subject_limit: _,
        on_subject_limit: _,
        anonymous_rate: _,
        on_reuse: _,
    } = Settings::default();

    let initial = |key: &str, value: &str| Initializer::new().with(key, value).unwrap();
    let nested = Initializer::new().with("deep", &[[[1]]]).unwrap();
    let key = || KEY.parse::<SecretKey>().unwrap();
    let unprefixed = "id";
    vec![
        (
            "cookie_name",
            bad! {
                "": { cookie_name: "" },
                "se ssion": { cookie_name: "se ssion" },
                "sé": { cookie_name: "sé" },
            },
        ),
        (
            "cookie_domain",
            bad! {
                "example.org": { cookie_domain: "example.org" },
                ".example.org": { cookie_domain: ".example.org", cookie_name: unprefixed },
                "a;b": { cookie_domain: "a;b", cookie_name: unprefixed },
            },
        ),
        (
            "cookie_path",
            bad! {
                "/app": { cookie_path: "/app" },
                "app": { cookie_path: "app", cookie_name: unprefixed },
                "/a;b": { cookie_path: "/a;b", cookie_name: unprefixed },
            },
        ),
        (
            "cookie_same_site",
            bad! { "none": {
                cookie_same_site: SameSite::None,
                danger_allow_plain_http: true,
                cookie_name: unprefixed,
            } },
        ),
        ("persistent", bad! {}),
        ("danger_allow_plain_http", bad! { "true": { danger_allow_plain_http: true } }),
        (
            "danger_allow_script_access",
            bad! { "true": { danger_allow_script_access: true, cookie_name: "__Http-id" } },
        ),
        (
            "idle_timeout",
            bad! {
                "0s": { idle_timeout: Duration::ZERO },
                "999ms": { idle_timeout: SECOND - MILLISECOND },
                "1day 1s": { idle_timeout: 24 * HOUR + SECOND },
                "400days 1s": { idle_timeout: MAX_LIFETIME + SECOND, absolute_timeout: MAX_LIFETIME },
            },
        ),
        (
            "absolute_timeout",
            bad! {
                "999ms": { absolute_timeout: SECOND - MILLISECOND },
                "400days 1s": { absolute_timeout: MAX_LIFETIME + SECOND },
            },
        ),
        (
            "anonymous_idle_timeout",
            bad! {
                "999ms": { anonymous_idle_timeout: SECOND - MILLISECOND },
                "400days 1s": { anonymous_idle_timeout: MAX_LIFETIME + SECOND },
            },
        ),
        ("grace", bad! { "0s": { grace: Duration::ZERO }, "1h 1ms": { grace: HOUR + MILLISECOND } }),
        ("late_window", bad! { "10m 1ms": { late_window: LONGEST_WINDOW + MILLISECOND } }),
        (
            "late_window_upload",
            bad! {
                "10m 1ms": { late_window_upload: LONGEST_WINDOW + MILLISECOND },
                "9s": { late_window_upload: 9 * SECOND },
            },
        ),
        ("remember_within", bad! { "1day 1ms": { remember_within: 24 * HOUR + MILLISECOND } }),
        ("ignore_expiry", bad! {}),
        ("expired_message", bad! {}),
        ("expired_status", bad! { "399": { expired_status: 399 }, "600": { expired_status: 600 } }),
        ("ignore_change_ip", bad! {}),
        ("trusted_proxies", bad! {}),
        (
            "client_ip_header",
            bad! {
                "": { client_ip_header: "" },
                "X Real IP": { client_ip_header: "X Real IP" },
                "X-Real-IP:": { client_ip_header: "X-Real-IP:" },
            },
        ),
        (
            "request_start_header",
            bad! {
                "": { request_start_header: "", trusted_proxies: ["::1".parse().unwrap()] },
                "t=": { request_start_header: "t=", trusted_proxies: ["::1".parse().unwrap()] },
                "X-Request-Start": { request_start_header: "X-Request-Start" },
            },
        ),
        ("record_client", bad! {}),
        ("secret_key", bad! {}),
        (
            "previous_secret_keys",
            bad! {
                "": { previous_secret_keys: [key()] },
                "": { previous_secret_keys: [key()], secret_key: key() },
            },
        ),
        (
            "initializer",
            bad! {
                "longer": { initializer: initial("longer", "value"), max_key_bytes: 5 },
                "large": { initializer: initial("large", &"x".repeat(300)), max_record_bytes: 256 },
                "deep": { initializer: nested, max_depth: 2 },
            },
        ),
        (
            "max_record_bytes",
            bad! {
                "255": { max_record_bytes: 255 },
                "16777217": { max_record_bytes: (16 << 20) + 1 },
            },
        ),
        (
            "anonymous_max_bytes",
            bad! {
                "255": { anonymous_max_bytes: 255 },
                "16777217": { anonymous_max_bytes: (16 << 20) + 1 },
            },
        ),
        ("max_keys", bad! { "0": { max_keys: 0 }, "32768": { max_keys: 32_768 } }),
        ("max_key_bytes", bad! { "0": { max_key_bytes: 0 }, "256": { max_key_bytes: 256 } }),
        ("max_depth", bad! { "0": { max_depth: 0 }, "128": { max_depth: 128 } }),
        ("locking", bad! {}),
        (
            "lock_timeout",
            bad! {
                "0s": { lock_timeout: Duration::ZERO },
                "1h 1ms": { lock_timeout: HOUR + MILLISECOND },
            },
        ),
        (
            "max_lock_waiters",
            bad! { "0": { max_lock_waiters: 0 }, "1048577": { max_lock_waiters: (1 << 20) + 1 } },
        ),
        (
            "lease_ttl",
            bad! {
                "99ms": { lease_ttl: 99 * MILLISECOND },
                "1h 1ms": { lease_ttl: HOUR + MILLISECOND, lease_limit: 2 * HOUR },
            },
        ),
        (
            "lease_limit",
            bad! {
                "9s 999ms": { lease_limit: 10 * SECOND - MILLISECOND },
                "1day 1ms": { lease_limit: 24 * HOUR + MILLISECOND },
            },
        ),
        ("on_conflict", bad! {}),
        (
            "store_timeout",
            bad! {
                "0s": { store_timeout: Duration::ZERO },
                "1h 1ms": { store_timeout: HOUR + MILLISECOND, store_budget: 2 * HOUR },
            },
        ),
        (
            "store_budget",
            bad! {
                "1s 999ms": { store_budget: 2 * SECOND - MILLISECOND },
                "1h 1ms": { store_budget: HOUR + MILLISECOND },
            },
        ),
        (
            "sweep_interval",
            bad! {
                "9ms": { sweep_interval: 9 * MILLISECOND },
                "1day 1ms": { sweep_interval: 24 * HOUR + MILLISECOND },
            },
        ),
        (
            "watch_interval",
            bad! {
                "99ms": { watch_interval: 99 * MILLISECOND },
                "1h 1ms": { watch_interval: HOUR + MILLISECOND },
            },
        ),
        ("subject_limit", bad! { "0": { subject_limit: 0 } }),
        ("on_subject_limit", bad! {}),
        ("anonymous_rate", bad! { "0": { anonymous_rate: 0 } }),
        ("on_reuse", bad! {}),
    ]
}

#[test]
fn a_bad_value_is_refused_with_the_settings_name_and_the_value() {
    for (name, bad) in bad_values() {
        for (shown, settings) in bad {
            let error = refusal(settings).unwrap_or_else(|| panic!("{name} = {shown:?} is accepted"));
            let text = error.to_string();
            assert_eq!(error.setting(), name, "{text}");
            assert!(text.contains(shown) && !text.contains('\n') && text.starts_with(name), "{text}");
        }
    }
}

#[test]
fn the_least_and_the_most_of_every_range_are_accepted() {
    let least = Settings::new()
        .idle_timeout(SECOND)
        .absolute_timeout(SECOND)
        .anonymous_idle_timeout(SECOND)
        .grace(SECOND)
        .late_window(Duration::ZERO)
        .late_window_upload(Duration::ZERO)
        .remember_within(Duration::ZERO)
        .expired_status(400)
        .max_record_bytes(256)
        .anonymous_max_bytes(256)
        .max_keys(1)
        .max_key_bytes(1)
        .max_depth(1)
        .initializer(Initializer::new().with("k", &[1]).unwrap())
        .lock_timeout(MILLISECOND)
        .max_lock_waiters(1)
        .lease_ttl(100 * MILLISECOND)
        .lease_limit(100 * MILLISECOND)
        .store_timeout(MILLISECOND)
        .store_budget(MILLISECOND)
        .sweep_interval(10 * MILLISECOND)
        .watch_interval(100 * MILLISECOND)
        .subject_limit(1)
        .anonymous_rate(1);
    assert_eq!(refusal(least), None);
    let most = Settings::new()
        .idle_timeout(MAX_LIFETIME)
        .absolute_timeout(MAX_LIFETIME)
        .anonymous_idle_timeout(MAX_LIFETIME)
        .grace(HOUR)
        .late_window(LONGEST_WINDOW)
        .late_window_upload(LONGEST_WINDOW)
        .remember_within(24 * HOUR)
        .expired_status(599)
        .max_record_bytes(16 << 20)
        .anonymous_max_bytes(16 << 20)
        .max_keys(32_767)
        .max_key_bytes(255)
        .max_depth(127)
        .lock_timeout(HOUR)
        .max_lock_waiters(1 << 20)
        .lease_ttl(HOUR)
        .lease_limit(24 * HOUR)
        .store_timeout(HOUR)
        .store_budget(HOUR)
        .sweep_interval(24 * HOUR)
        .watch_interval(HOUR)
        .subject_limit(usize::MAX)
        .anonymous_rate(u32::MAX);
    assert_eq!(refusal(most), None);
    assert_eq!(refusal(Settings::new().sweep_interval(Duration::ZERO)), None);
}

#[test]
fn a_limit_for_each_subject_needs_a_store_that_lists_them() {
    let settings = || Settings::new().subject_limit(3);
    assert_eq!(refusal(settings()), None);
    let error = SessionManager::new(Unlisted, settings()).unwrap_err();
    assert_eq!(error.setting(), "subject_limit");
    assert!(error.to_string().contains('3'), "{error}");
    for settings in [Settings::new(), Settings::new().subject_limit(None)] {
        assert!(SessionManager::new(Unlisted, settings).is_ok());
    }
}

#[test]
fn the_default_limit_for_each_subject_is_there_where_the_store_lists_them() {
    let limits = [SubjectLimit::Default, SubjectLimit::Unlimited, SubjectLimit::AtMost(7)];
    assert_eq!(limits.map(|limit| limit.at_most(true)), [Some(100), None, Some(7)]);
    assert_eq!(limits.map(|limit| limit.at_most(false)), [None, None, Some(7)]);
}

#[test]
fn neither_keys_nor_initial_values_are_shown() {
    let settings = Settings::new()
        .secret_key(KEY.parse::<SecretKey>().unwrap())
        .previous_secret_keys([OTHER_KEY.parse().unwrap()])
        .initializer(Initializer::new().with("greeting", "hunter2").unwrap());
    let text = format!("{settings:?}");
    assert!(!text.contains(&KEY[..8]) && !text.contains(&OTHER_KEY[..8]), "{text}");
    assert!(text.contains("greeting") && !text.contains("hunter2"), "{text}");
    let large = Initializer::new().with("greeting", &"hunter2".repeat(100)).unwrap();
    let error = refusal(settings.initializer(large).max_record_bytes(256)).unwrap();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_later_initial_value_of_a_key_takes_the_place_of_an_earlier_one() {
    let initializer =
        Initializer::new().with("b", &1).unwrap().with("a", "x").unwrap().with("b", &2).unwrap();
    let values: Vec<_> = initializer.iter().collect();
    assert_eq!(values, [("a", &b"\"x\""[..]), ("b", b"2")]);
    assert_eq!((initializer.get("b"), initializer.get("c")), (Some(&b"2"[..]), None));
}

#[test]
fn an_initial_value_that_is_no_json_is_refused_by_its_key() {
    let map = std::collections::BTreeMap::from([((1, 2), "hunter2")]);
    let error = Initializer::new().with("pairs", &map).unwrap_err();
    assert_eq!(error.setting(), "initializer");
    assert!(error.to_string().contains("pairs") && !error.to_string().contains("hunter2"), "{error}");
}

/// A store without subjects, and without anything else.
#[derive(Debug)]
struct Unlisted;

impl Store for Unlisted {
    async fn create(&self, _: &Key, _: &Record, _: Timestamp) -> cloakroom_store::Result<()> {
        Ok(())
    }

    async fn load(&self, _: &Key) -> cloakroom_store::Result<Option<Record>> {
        Ok(None)
    }

    async fn replace(&self, _: &Key, _: &Record, _: Revision, _: Timestamp) -> cloakroom_store::Result<()> {
        Ok(())
    }

    async fn touch(&self, _: &Key, _: Timestamp, _: Timestamp) -> cloakroom_store::Result<bool> {
        Ok(false)
    }

    async fn delete(&self, _: &Key) -> cloakroom_store::Result<bool> {
        Ok(false)
    }

    async fn purge(&self, _: Timestamp, _: usize) -> cloakroom_store::Result<usize> {
        Ok(0)
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none()
    }
}
