//! RULES §2 on every store: servers of one site whose clocks differ. Some stores go by a clock of their own, which is right.

use std::time::Duration;

use cloakroom::Settings;
use cloakroom_store::{Acquired, Claim, Key, LeaseId, Record, Revision};
use cloakroom_tests::{Browser, Request, Site};

use crate::places::{Place, now, on_places, on_places_that_list, right_clock};

on_places! { a_clock_that_was_two_hours_ahead_leaves_nothing_behind_when_it_is_corrected }
on_places! { a_clock_that_is_two_hours_slow_loses_nothing_that_it_acknowledged }
on_places_that_list! { an_end_of_all_finds_what_a_slow_clock_has_signed_in }
// Elsewhere only the server that sweeps knows the time.
on_places! { a_sweep_by_a_clock_that_is_ahead_leaves_live_sessions_alone: redis redis_cluster redis_sentinel postgres mariadb memcached
memcached_pair }
on_places! { a_visitor_who_goes_back_and_forth_between_clocks_stays_signed_in }
on_places! { a_late_request_at_another_server_sets_no_cookie_where_clocks_are_seconds_apart }

async fn a_clock_that_was_two_hours_ahead_leaves_nothing_behind_when_it_is_corrected(place: Place) {
    for at_the_corrected in [true, false] {
        let (here, there) = (right_clock(), right_clock());
        there.advance(OFF);
        let (right, ahead) = (place.site(patient(), &here).await, place.site(patient(), &there).await);
        let locked = signed_in(&ahead).await;
        abandon_a_lease(&place, &locked).await;
        let rotated = signed_in(&ahead).await;
        let lost = rotated.send_and_ignore_cookies(Request::post("/rotate")).await;
        let mut dead = Vec::new();
        for change in ["/out", "/elevate", "/in=bob"] {
            let browser = signed_in(&ahead).await;
            let old = with_cookies_of(&browser, &ahead);
            browser.post(change).await;
            assert_eq!(old.post("/set=x:1").await.cookies(), [""; 0], "{change}: it is late there");
            dead.push(old);
        }
        let used = signed_in(&ahead).await;
        assert_eq!(used.get("/within=3600").await.body, "true");
        let key = key_of(&used).await;
        assert!(load(&place, key).await.expires_at > now().saturating_add(IDLE + OFF / 2));

        there.set_back(OFF);
        let site = if at_the_corrected { &ahead } else { &right };
        let served = tokio::time::timeout(PROMPTLY, locked.at_server(site).post("/add=n")).await;
        assert_eq!(served.expect("the lease blocks nobody").body, "6");
        let old = rotated.at_server(site);
        assert_eq!(old.get("/subject/origin").await.body, "- superseded", "its grace is over");
        let new = Browser::new(site);
        new.jar().receive(lost.cookies()[0], "/", true).unwrap();
        assert_eq!(new.get("/subject").await.body, "ann");
        for old in &dead {
            let response = old.at_server(site).post("/set=x:1/origin").await;
            assert_eq!((response.status, response.cookies().len()), (200, 1), "a new visitor: {response:?}");
        }
        let used = used.at_server(site);
        assert_eq!(used.get("/within=3600").await.body, "false", "its sign-in is not recent");
        settled(site).await;
        let idle_end = load(&place, key).await.expires_at;
        assert!(idle_end <= now().saturating_add(IDLE + TOLERANCE), "whoever reads it has corrected it");

        // The times that it wrote come true; what was seen since does not.
        site.clock.advance(OFF);
        assert_eq!(old.get("/subject").await.body, "-", "no grace of it works after");
        for hours in [9, 11] {
            site.clock.advance(hours * HOUR);
            assert_eq!(used.get("/subject").await.body, "ann");
            settled(site).await;
        }
        site.clock.advance(2 * HOUR + TOLERANCE);
        assert_eq!(used.get("/subject").await.body, "-", "its absolute end was corrected as well");
    }
}

async fn a_clock_that_is_two_hours_slow_loses_nothing_that_it_acknowledged(place: Place) {
    let (here, there) = (right_clock(), right_clock());
    there.set_back(OFF);
    // With the usual idle time, everything that it writes has expired for the others.
    for settings in [Settings::default(), patient()] {
        let for_others = settings.idle_timeout > OFF;
        let right = place.site(settings.clone(), &here).await;
        let slow = place.site(settings, &there).await;
        let anonymous = Browser::new(&slow);
        anonymous.post("/set=n:7").await;
        let browser = signed_in(&slow).await;
        for (n, path) in (6_u64..).zip(["", "/rotate", "/elevate", "/in=ann", "/remember=864000", "/forget"])
        {
            let written = browser.post(&format!("{path}/add=n")).await;
            assert_eq!((written.status, &*written.body), (200, &*n.to_string()), "{path}");
            assert_eq!(browser.get("/subject/get=n").await.body, format!("ann {n}"), "{path}");
            settled(&slow).await;
            slow.sessions.purge_expired().await.unwrap();
            if for_others {
                let elsewhere = browser.at_server(&right);
                assert_eq!(elsewhere.get("/subject/get=n").await.body, format!("ann {n}"), "{path}");
                settled(&right).await;
                right.sessions.purge_expired().await.unwrap();
            }
        }
        assert_eq!(anonymous.get("/get=n").await.body, "7");
        there.advance(10 * MINUTE);
        assert_eq!(anonymous.get("/get=n").await.body, "7");
        assert_eq!(browser.get("/subject/get=n").await.body, "ann 11");
        there.set_back(10 * MINUTE);
    }
}

async fn an_end_of_all_finds_what_a_slow_clock_has_signed_in(place: Place) {
    let (here, there) = (right_clock(), right_clock());
    there.set_back(OFF);
    // By the clock that is right, its sessions have ended for good.
    let settings = Settings::new().absolute_timeout(HOUR);
    let right = place.site(settings.clone(), &here).await;
    let slow = place.site(settings, &there).await;
    let browser = signed_in(&slow).await;
    // What it enters as well, and what others enter, removes nothing from the index that lives.
    let others = [signed_in(&right).await, signed_in(&slow).await];
    right.sessions.end_all("ann", None).await.unwrap();
    for browser in others.iter().chain([&browser]) {
        assert_eq!(browser.get("/subject").await.body, "-");
    }
}

async fn a_sweep_by_a_clock_that_is_ahead_leaves_live_sessions_alone(place: Place) {
    let (here, there) = (right_clock(), right_clock());
    there.advance(OFF);
    let right = place.site(Settings::default(), &here).await;
    let ahead = place.site(Settings::default(), &there).await;
    let browser = signed_in(&right).await;
    assert_eq!(ahead.sessions.purge_expired().await.unwrap(), 0);
    assert_eq!(browser.post("/subject/add=n").await.body, "ann 6");
}

/// The idle time is longer than the error, or else he has been idle for too long at the one that is ahead.
async fn a_visitor_who_goes_back_and_forth_between_clocks_stays_signed_in(place: Place) {
    let paths = ["/subject", "/rotate", "/subject", "/elevate", "/in=ann/", "/forget", "/save"];
    for off in [6, 31, 2 * 3600].map(Duration::from_secs) {
        for is_ahead in [true, false] {
            let (here, there) = (right_clock(), right_clock());
            if is_ahead {
                there.advance(off)
            } else {
                there.set_back(off)
            }
            let sites = [place.site(patient(), &here).await, place.site(patient(), &there).await];
            let browser = signed_in(&sites[0]).await;
            // An odd number: each at either.
            for (step, path) in paths.iter().chain(&paths).enumerate() {
                let about = format!("{path} at step {step}, {off:?} off, ahead: {is_ahead}");
                let elsewhere = browser.at_server(&sites[(step + 1) % 2]);
                let response = elsewhere.post(&format!("{path}/add=n")).await;
                assert_eq!(response.status, 200, "{about}: {response:?}");
                let elsewhere = browser.at_server(&sites[step % 2]);
                let response = elsewhere.get("/subject/get=n").await;
                assert_eq!(response.body, format!("ann {}", 6 + step), "{about}");
                for clock in [&here, &there] {
                    clock.advance(Duration::from_secs(7));
                }
            }
        }
    }
}

/// Further apart, a request that began before a change is not told from one that began after it (RULES §2, "time of a change").
async fn a_late_request_at_another_server_sets_no_cookie_where_clocks_are_seconds_apart(place: Place) {
    for (off, is_ahead) in [(6, true), (5, false)] {
        let (here, there) = (right_clock(), right_clock());
        let off = Duration::from_secs(off);
        if is_ahead {
            there.advance(off)
        } else {
            there.set_back(off)
        }
        let (site, other) = (place.site(patient(), &here).await, place.site(patient(), &there).await);
        for change in ["/out", "/elevate", "/in=ann", "/in=bob"] {
            let browser = signed_in(&site).await;
            let late = with_cookies_of(&browser, &other);
            browser.post(change).await;
            for path in ["/set=x:1", "/expire", "/rotate", "/out"] {
                let response = late.post(path).await;
                let about = format!("{path} after {change}, {off:?} off, ahead: {is_ahead}");
                assert_eq!((response.status, response.cookies()), (200, vec![]), "{about}");
            }
        }
    }
}

/// A browser with a user and 5 in `n`.
async fn signed_in(site: &Site) -> Browser {
    let browser = Browser::new(site);
    let response = browser.post("/in=ann/set=n:5").await;
    assert_eq!((response.status, response.cookies().len()), (200, 1), "{response:?}");
    browser
}

fn with_cookies_of(browser: &Browser, site: &Site) -> Browser {
    let other = Browser::new(site);
    *other.jar() = browser.jar().clone();
    other
}

/// Takes the lease of the browser's session, as a process does that dies then, and whose clock was ahead.
async fn abandon_a_lease(place: &Place, browser: &Browser) {
    let Some(leases) = place.store.facets().leases else { return };
    let revision = Revision::new(now().as_millis());
    let claim = Claim::new(LeaseId::new(1), now().saturating_add(OFF), LEASE, revision);
    let acquired = leases.acquire(key_of(browser).await, claim).await.unwrap();
    assert!(matches!(acquired, Acquired::Held(_)), "{acquired:?}");
}

async fn key_of(browser: &Browser) -> Key {
    browser.get("/handle").await.body.parse().unwrap()
}

async fn load(place: &Place, key: Key) -> Record {
    std::sync::Arc::clone(&place.store).load(key).await.unwrap().unwrap()
}

/// Waits for the work that continues after a response.
async fn settled(site: &Site) {
    assert!(site.sessions.shutdown().await, "something goes on for very long");
}

fn patient() -> Settings {
    Settings::new().idle_timeout(IDLE).anonymous_idle_timeout(IDLE).lease_ttl(LEASE)
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const OFF: Duration = Duration::from_secs(2 * 3600);
const IDLE: Duration = Duration::from_secs(12 * 3600);
const LEASE: Duration = Duration::from_secs(1);
const TOLERANCE: Duration = Duration::from_secs(6);
/// Long before a lease is given up that stays the same for as long as one can last, and 5 seconds more.
const PROMPTLY: Duration = Duration::from_secs(4);
