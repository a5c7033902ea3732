//! RULES §1 on every store: a rotation that got lost, and a secret that was stolen.

use std::time::Duration;

use cloakroom::Settings;
use cloakroom_tests::{Browser, Request};

use crate::places::{Place, on_places, right_clock};

on_places! { a_lost_rotation_signs_nobody_out_until_the_new_secret_is_presented_and_a_grace_more }
on_places! { an_elevation_throws_out_a_thief_at_once }

async fn a_lost_rotation_signs_nobody_out_until_the_new_secret_is_presented_and_a_grace_more(place: Place) {
    let clock = right_clock();
    let site = place.site(Settings::default(), &clock).await;
    let browser = Browser::new(&site);
    browser.post("/in=ann/set=n:1").await;
    let lost = browser.send_and_ignore_cookies(Request::post("/rotate")).await;
    for n in 2..=4 {
        clock.advance(GRACE);
        assert_eq!(browser.get("/subject").await.body, "ann");
        let active = browser.post("/subject/add=n").await;
        assert_eq!((&*active.body, active.cookies().len()), (&*format!("ann {n}"), 0));
    }
    let elsewhere = Browser::new(&site);
    elsewhere.jar().receive(lost.cookies()[0], "/", true).unwrap();
    assert_eq!(elsewhere.get("/subject/get=n").await.body, "ann 4");
    assert!(site.sessions.shutdown().await, "that the new secret was presented is written down");
    clock.advance(GRACE - Duration::from_millis(1));
    assert_eq!(browser.get("/subject").await.body, "ann", "a grace more");
    assert_eq!(elsewhere.post("/add=n").await.body, "5");
    clock.advance(Duration::from_millis(1));
    assert_eq!(browser.get("/subject").await.body, "-", "and not longer");
    assert_eq!(elsewhere.get("/subject/get=n").await.body, "ann 5");
}

async fn an_elevation_throws_out_a_thief_at_once(place: Place) {
    let clock = right_clock();
    let site = place.site(Settings::default(), &clock).await;
    for who in ["nobody", "visitor", "thief", "thief, who came back"] {
        let browser = Browser::new(&site);
        browser.post("/in=ann/set=n:1").await;
        let thief = Browser::new(&site);
        *thief.jar() = browser.jar().clone();
        match who {
            "nobody" => {}
            "visitor" => _ = browser.send_and_ignore_cookies(Request::post("/rotate")).await,
            _ => assert_eq!(thief.post("/rotate").await.cookies().len(), 1),
        }
        if who == "thief, who came back" {
            thief.get("/subject").await;
            assert!(site.sessions.shutdown().await, "the thief's secret is written down");
        }
        assert_eq!(thief.get("/subject").await.body, "ann", "rotated by {who}");
        assert_eq!(browser.post("/elevate").await.cookies().len(), 1, "rotated by {who}");
        assert_eq!(thief.get("/subject/origin").await.body, "- superseded", "rotated by {who}");
        assert_eq!(thief.post("/add=n").await.status, 409, "rotated by {who}");
        clock.advance(GRACE);
        assert_eq!(thief.get("/subject").await.body, "-", "rotated by {who}");
        assert_eq!(browser.get("/subject/get=n").await.body, "ann 1", "rotated by {who}");
    }
}

const GRACE: Duration = Duration::from_secs(30);
