//! Settings as they are read from a file.

use serde_json::{Value, json};

use super::*;

fn read(settings: Value) -> Result<Settings, String> {
    serde_json::from_value(settings).map_err(|error| error.to_string())
}

#[test]
fn nothing_is_the_defaults() {
    assert_eq!(format!("{:?}", read(json!({})).unwrap()), format!("{:?}", Settings::default()));
}

/// Each setting, read as something else than its default: all it may change is itself.
#[test]
fn every_setting_is_read_under_its_name() {
    let others = [
        ("cookie_name", json!("sid")),
        ("cookie_domain", json!("example.org")),
        ("cookie_path", json!("/app")),
        ("cookie_same_site", json!("strict")),
        ("persistent", json!(true)),
        ("danger_allow_plain_http", json!(true)),
        ("danger_allow_script_access", json!(true)),
        ("idle_timeout", json!("30m")),
        ("absolute_timeout", json!("12h")),
        ("anonymous_idle_timeout", json!("10m")),
        ("grace", json!("10s")),
        ("late_window", json!("20s")),
        ("late_window_upload", json!("1m")),
        ("remember_within", json!("1h")),
        ("ignore_expiry", json!(false)),
        ("expired_message", json!("Bye.")),
        ("expired_status", json!(403)),
        ("ignore_change_ip", json!(false)),
        ("trusted_proxies", json!(["10.0.0.0/8", "::1"])),
        ("client_ip_header", json!("Forwarded")),
        ("request_start_header", json!("X-Request-Start")),
        ("record_client", json!(true)),
        ("secret_key", json!(KEY)),
        ("previous_secret_keys", json!([OTHER_KEY])),
        ("initializer", json!({"count": 0})),
        ("max_record_bytes", json!(1024)),
        ("anonymous_max_bytes", json!(512)),
        ("max_keys", json!(8)),
        ("max_key_bytes", json!(16)),
        ("max_depth", json!(4)),
        ("locking", json!("explicit")),
        ("lock_timeout", json!("1s")),
        ("max_lock_waiters", json!(2)),
        ("lease_ttl", json!("5s")),
        ("lease_limit", json!("1m")),
        ("on_conflict", json!("overwrite")),
        ("store_timeout", json!("500ms")),
        ("store_budget", json!("3s")),
        ("sweep_interval", json!("1m")),
        ("watch_interval", json!("30s")),
        ("subject_limit", json!(5)),
        ("on_subject_limit", json!("refuse")),
        ("anonymous_rate", json!(50)),
        ("on_reuse", json!("end")),
    ];
    let names: Vec<_> = bad_values().into_iter().map(|(name, _)| name).collect();
    assert_eq!(others.each_ref().map(|(name, _)| *name), *names);

    let lines = |settings: &Settings| -> Vec<String> {
        format!("{settings:#?}").lines().filter(|line| line.starts_with("    ")).map(str::to_owned).collect()
    };
    let defaults = lines(&Settings::default());
    for (name, other) in others {
        let read = lines(&read(json!({ name: other })).unwrap_or_else(|error| panic!("{name}: {error}")));
        let changed: Vec<_> = read.iter().filter(|line| !defaults.contains(line)).collect();
        assert!(
            changed.first().is_some_and(|line| line.starts_with(&format!("    {name}: "))),
            "{changed:?}"
        );
        let fields = changed.iter().filter(|line| line.as_bytes()[4] != b' ' && line.contains(": "));
        assert_eq!(fields.count(), 1, "{changed:?}");
    }
}

#[test]
fn choices_are_read_by_their_names_in_lower_case() {
    let locking = ["by_method", "implicit", "early", "explicit"];
    let read_as = |name: &str| read(json!({ "locking": name })).map(|settings| settings.locking);
    assert_eq!(
        locking.map(|name| read_as(name).unwrap()),
        [Locking::ByMethod, Locking::Implicit, Locking::Early, Locking::Explicit]
    );
    let more = json!({
        "on_conflict": "reject", "on_subject_limit": "end_least_recently_used", "on_reuse": "ignore", "cookie_same_site": "none",
    });
    let settings = read(more).unwrap();
    assert_eq!((settings.on_conflict, settings.on_reuse), (OnConflict::Reject, OnReuse::Ignore));
    assert_eq!(settings.on_subject_limit, OnSubjectLimit::EndLeastRecentlyUsed);
    assert_eq!(settings.cookie_same_site, SameSite::None);
    assert!(read_as("ByMethod").is_err() && read_as("always").unwrap_err().contains("always"));
}

/// What the choice was called before, when it was the session that signed in longest ago.
#[test]
fn an_old_name_of_a_choice_is_read() {
    let settings = read(json!({ "on_subject_limit": "end_oldest" })).unwrap();
    assert_eq!(settings.on_subject_limit, OnSubjectLimit::EndLeastRecentlyUsed);
}

#[test]
fn a_limit_for_each_subject_is_a_number_or_a_word() {
    let limit = |value: Value| read(json!({ "subject_limit": value })).map(|settings| settings.subject_limit);
    for (value, expected) in [
        (json!(5), SubjectLimit::AtMost(5)),
        (json!("none"), SubjectLimit::Unlimited),
        (json!(null), SubjectLimit::Unlimited),
        (json!("default"), SubjectLimit::Default),
    ] {
        assert_eq!(limit(value.clone()), Ok(expected), "{value}");
    }
    for bad in [json!(-1), json!(1.5), json!("5"), json!(""), json!([5]), json!(true)] {
        let error = limit(bad.clone()).unwrap_err();
        assert!(error.contains(r#"a number, "none" or "default""#), "{bad}: {error}");
    }
    let toml = |text: &str| toml::from_str::<Settings>(text).map(|settings| settings.subject_limit);
    assert_eq!(toml("subject_limit = 5"), Ok(SubjectLimit::AtMost(5)));
    assert_eq!(toml("subject_limit = 'none'"), Ok(SubjectLimit::Unlimited));
    assert!(toml("subject_limit = -5").is_err());
}

#[test]
fn a_name_that_is_no_setting_is_an_error_that_names_it() {
    for name in ["timeout", "Cookie_Name", "cookie-name", "secretkey"] {
        let error = read(json!({ name: 1 })).unwrap_err();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn durations_are_text_or_whole_seconds() {
    let idle = |value: Value| read(json!({ "idle_timeout": value })).map(|settings| settings.idle_timeout);
    for (value, seconds) in [
        (json!("30m"), 1800.0),
        (json!("12h"), 43_200.0),
        (json!("1day 6h"), 108_000.0),
        (json!("1500ms"), 1.5),
        (json!(90), 90.0),
        (json!(0), 0.0),
        (json!(u64::MAX), u64::MAX as f64),
    ] {
        assert_eq!(idle(value.clone()).unwrap().as_secs_f64(), seconds, "{value}");
    }
    for bad in
        [json!(-1), json!(1.5), json!("1.5"), json!("soon"), json!(""), json!("30"), json!(null), json!([1])]
    {
        let error = idle(bad.clone()).unwrap_err();
        assert!(error.contains("whole seconds"), "{bad}: {error}");
    }
    assert!(idle(json!("soon")).unwrap_err().contains("soon"));
}

#[test]
fn initial_values_are_read_as_they_will_be() {
    let settings = read(json!({ "initializer": { "list": [1, { "a": null }], "text": "é\"" } })).unwrap();
    assert_eq!(settings.initializer.get("list"), Some(&br#"[1,{"a":null}]"#[..]));
    assert_eq!(settings.initializer.get("text"), Some("\"é\\\"\"".as_bytes()));
}

#[test]
fn a_bad_proxy_is_named() {
    let error = read(json!({ "trusted_proxies": ["10.0.0.0/8", "proxy.local"] })).unwrap_err();
    assert!(error.contains("proxy.local"), "{error}");
}

#[test]
fn a_bad_secret_key_is_not_shown() {
    let short = "hunter2hunter2";
    for settings in [json!({ "secret_key": short }), json!({ "previous_secret_keys": [KEY, short] })] {
        let error = read(settings).unwrap_err();
        assert!(!error.contains("hunter2") && error.contains("secret_key"), "{error}");
    }
}
