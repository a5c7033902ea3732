//! What a setting is when nobody sets it.

use super::*;

#[test]
fn the_defaults_are_accepted_and_are_what_their_documentation_says() {
    assert_eq!(refusal(Settings::default()), None);
    let documented = documented_defaults();
    let actual = [
        ("cookie_name", "`__Host-id`"),
        ("cookie_domain", "none"),
        ("cookie_path", "`/`"),
        ("cookie_same_site", "`Lax`"),
        ("persistent", "false"),
        ("danger_allow_plain_http", "false"),
        ("danger_allow_script_access", "false"),
        ("idle_timeout", "1 hour"),
        ("absolute_timeout", "24 hours (NIST SP 800-63B-4, AAL2)"),
        ("anonymous_idle_timeout", "30 minutes"),
        ("grace", "30 seconds"),
        ("late_window", "10 seconds"),
        ("late_window_upload", "5 minutes"),
        ("remember_within", "15 minutes"),
        ("ignore_expiry", "true"),
        ("expired_message", "`Your session has expired.`"),
        ("expired_status", "401"),
        ("ignore_change_ip", "true"),
        ("trusted_proxies", "none"),
        ("client_ip_header", "`X-Forwarded-For`"),
        ("request_start_header", "none"),
        ("record_client", "false"),
        ("secret_key", "none"),
        ("previous_secret_keys", "none"),
        ("initializer", "nothing"),
        ("max_record_bytes", "65,536"),
        ("anonymous_max_bytes", "8,192"),
        ("max_keys", "256"),
        ("max_key_bytes", "128"),
        ("max_depth", "64"),
        ("locking", "[`Locking::ByMethod`]"),
        ("lock_timeout", "10 seconds"),
        ("max_lock_waiters", "128"),
        ("lease_ttl", "10 seconds"),
        ("lease_limit", "5 minutes"),
        ("on_conflict", "[`OnConflict::Reject`]"),
        ("store_timeout", "2 seconds"),
        ("store_budget", "5 seconds"),
        ("sweep_interval", "5 minutes"),
        ("watch_interval", "60 seconds"),
        ("subject_limit", "100 where the store lists them, and to no limit elsewhere"),
        ("on_subject_limit", "[`OnSubjectLimit::EndLeastRecentlyUsed`]"),
        ("anonymous_rate", "no limit"),
        ("on_reuse", "[`OnReuse::Ignore`]"),
    ];
    assert_eq!(documented, actual.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let names: Vec<_> = bad_values().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, actual.map(|(name, _)| name));

    let Settings {
        cookie_name,
        cookie_domain,
        cookie_path,
        cookie_same_site,
        persistent,
        danger_allow_plain_http,
        danger_allow_script_access,
        idle_timeout,
        absolute_timeout,
        anonymous_idle_timeout,
        grace,
        late_window,
        late_window_upload,
        remember_within,
        ignore_expiry,
        expired_message,
        expired_status,
        ignore_change_ip,
        trusted_proxies,
        client_ip_header,
        request_start_header,
        record_client,
        secret_key,
        previous_secret_keys,
        initializer,
        max_record_bytes,
        anonymous_max_bytes,
        max_keys,
        max_key_bytes,
        max_depth,
        locking,
        lock_timeout,
        max_lock_waiters,
        lease_ttl,
        lease_limit,
        on_conflict,
        store_timeout,
        store_budget,
        sweep_interval,
        watch_interval,
        subject_limit,
        on_subject_limit,
        anonymous_rate,
        on_reuse,
    } = Settings::default();
    assert_eq!((&*cookie_name, cookie_domain, &*cookie_path), ("__Host-id", None, "/"));
    assert_eq!((cookie_same_site, persistent), (SameSite::Lax, false));
    assert_eq!((danger_allow_plain_http, danger_allow_script_access), (false, false));
    let seconds =
        [idle_timeout, absolute_timeout, anonymous_idle_timeout, grace].map(|time| time.as_secs_f64());
    assert_eq!(seconds, [3600.0, 86_400.0, 1800.0, 30.0]);
    let seconds = [late_window, late_window_upload, remember_within].map(|time| time.as_secs_f64());
    assert_eq!((seconds, anonymous_max_bytes), ([10.0, 300.0, 900.0], 8192));
    assert_eq!((ignore_expiry, &*expired_message, expired_status), (true, "Your session has expired.", 401));
    assert_eq!((ignore_change_ip, trusted_proxies, &*client_ip_header), (true, vec![], "X-Forwarded-For"));
    assert_eq!(request_start_header, None);
    assert!(!record_client);
    assert_eq!((secret_key, previous_secret_keys, initializer.iter().count()), (None, vec![], 0));
    assert_eq!((max_record_bytes, max_keys, max_key_bytes, max_depth), (65_536, 256, 128, 64));
    assert_eq!((locking, max_lock_waiters, on_conflict), (Locking::ByMethod, 128, OnConflict::Reject));
    let seconds =
        [lock_timeout, lease_ttl, lease_limit, store_timeout, store_budget, sweep_interval, watch_interval];
    assert_eq!(seconds.map(|duration| duration.as_secs_f64()), [10.0, 10.0, 300.0, 2.0, 5.0, 300.0, 60.0]);
    assert_eq!(
        (subject_limit, on_subject_limit, anonymous_rate, on_reuse),
        (SubjectLimit::Default, OnSubjectLimit::EndLeastRecentlyUsed, None, OnReuse::Ignore)
    );
    let defaults = (Locking::default(), OnConflict::default(), OnSubjectLimit::default(), OnReuse::default());
    assert_eq!(defaults, (locking, on_conflict, on_subject_limit, on_reuse));
}

#[test]
fn the_guide_lists_every_setting() {
    let guide = include_str!("../../../../../docs/guide.md");
    let list = guide.split_once("let settings = Settings::new()\n    // The cookie").unwrap().1;
    let list = list.split_once("```").unwrap().0;
    for (name, _) in documented_defaults() {
        assert!(list.contains(&format!(".{name}(")), "{name}");
    }
}

/// What the documentation of each setting says after "Defaults to", up to the end of it.
fn documented_defaults() -> Vec<(String, String)> {
    let source = include_str!("../../config.rs");
    let fields = source.split_once("pub struct Settings {").unwrap().1.split_once("\n    }\n").unwrap().0;
    let mut text = String::new();
    let mut defaults = Vec::new();
    for line in fields.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            text.push_str(doc);
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|field| field.split_once(':')) {
            let default =
                text.split_once("Defaults to ").unwrap_or_else(|| panic!("{name} names no default")).1;
            defaults.push((name.to_owned(), default.strip_suffix('.').unwrap_or(default).to_owned()));
            text.clear();
        }
    }
    defaults
}
