//! The cookie as Chromium itself keeps it.

use std::fs;

use serde_json::{Value, json};

use crate::driver::Site;
use crate::server::Folder;

/// SECURITY 41.
#[tokio::test]
async fn who_only_looks_gets_no_cookie() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    visitor.reload().await;
    assert!(visitor.cookies().await.is_empty());
}

/// SECURITY 7.
#[tokio::test]
async fn chromium_keeps_the_cookie_for_this_host_away_from_scripts_and_until_it_is_closed() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    for name in ["ada", "ada", "bob"] {
        visitor.sign_in(name).await;
        let cookie = visitor.cookie().await;
        for (attribute, value) in [
            ("name", json!("__Host-id")),
            // With a dot in front it would be for subdomains too.
            ("domain", json!("localhost")),
            ("path", json!("/")),
            ("secure", json!(true)),
            ("httpOnly", json!(true)),
            ("sameSite", json!("Lax")),
            ("session", json!(true)),
            ("expires", json!(-1)),
        ] {
            assert_eq!(cookie[attribute], value, "{attribute}");
        }
        assert_eq!(cookie["value"].as_str().map(str::len), Some(44));
        assert_eq!(visitor.script("return document.cookie").await, "");
    }
}

#[tokio::test]
async fn a_closed_browser_forgets_the_session() {
    let site = Site::start(&[]);
    let visitor = site.visitor_with("closed").await;
    visitor.sign_in("ada").await;
    visitor.close().await;
    let visitor = site.visitor_with("closed").await;
    assert_eq!(visitor.name().await, None);
    assert!(visitor.cookies().await.is_empty());
}

#[tokio::test]
async fn a_persistent_cookie_lives_as_long_as_its_session_and_outlives_the_browser() {
    let folder = Folder::new();
    let config = folder.file("site.toml");
    fs::write(&config, "[sessions]\non = true\npersistent = true\nabsolute_timeout = \"12h\"\n").unwrap();
    let site = Site::start(&["--config", config.to_str().unwrap()]);
    let visitor = site.visitor_with("kept").await;
    visitor.sign_in("ada").await;
    let cookie = visitor.cookie().await;
    assert_eq!(cookie["session"], json!(false));
    let now = visitor.script("return Date.now() / 1000").await;
    let left = cookie["expires"].as_f64().unwrap() - now.as_f64().unwrap();
    assert!(left <= 43_200.0 && left > 43_200.0 - 120.0, "{left} seconds are left");

    visitor.close().await;
    let visitor = site.visitor_with("kept").await;
    assert_eq!(visitor.name().await.as_deref(), Some("ada"));
    assert_eq!(visitor.cookie().await["value"], cookie["value"]);
}

/// SECURITY 22.
#[tokio::test]
async fn a_cookie_planted_before_a_sign_in_opens_nothing_after_it() {
    let site = Site::start(&[]);
    let (visitor, attacker) = (site.visitor().await, site.visitor().await);
    attacker.press("/count").await;
    let planted = attacker.cookie().await;
    visitor.take_over(&planted).await;
    visitor.reload().await;
    assert_eq!(
        visitor.value("count").await.as_deref(),
        Some("1"),
        "the visitor is in the attacker's session"
    );

    visitor.sign_in("ada").await;
    assert_ne!(visitor.cookie().await["value"], planted["value"]);
    attacker.reload().await;
    assert_eq!(attacker.name().await, None);
    assert_eq!(attacker.value("count").await.as_deref(), Some("0"));
    visitor.reload().await;
    assert_eq!(visitor.name().await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn an_expired_cookie_is_gone_and_a_new_session_gets_another() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    visitor.press("/count").await;
    let before = visitor.cookie().await;
    visitor.press("/expire").await;
    assert_eq!(visitor.cookies().await, Vec::<Value>::new());
    visitor.press("/count").await;
    assert_eq!(visitor.value("count").await.as_deref(), Some("1"));
    assert_ne!(visitor.cookie().await["value"], before["value"]);
}
