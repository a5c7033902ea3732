//! RULES §1: whatever moves a session's end enters it into its user's index again, so that "sign out everywhere" finds it.

use std::time::Duration;

use cloakroom::Settings;
use cloakroom_tests::Browser;

use crate::places::{Place, on_places_that_list, right_clock};

on_places_that_list! { a_session_remembered_later_is_ended_with_all_after_its_old_end }

async fn a_session_remembered_later_is_ended_with_all_after_its_old_end(place: Place) {
    let clock = right_clock();
    let site = place.site(Settings::default(), &clock).await;
    let (browser, forgotten) = (Browser::new(&site), Browser::new(&site));
    for browser in [&browser, &forgotten] {
        assert_eq!(browser.post("/in=ann/set=n:5").await.status, 200);
    }
    clock.advance(MINUTE);
    let remembered = browser.post("/remember=2592000").await;
    assert!(remembered.cookies()[0].ends_with("; Max-Age=2592000"), "{remembered:?}");
    let removed = place.age(&clock, OLD_END + 11 * MINUTE).await;
    assert_eq!(removed > 0, place.is_redis(), "what was entered at the sign-in is out of the index");
    assert_eq!(forgotten.get("/subject").await.body, "-");
    assert_eq!(browser.get("/subject/get=n").await.body, "ann 5");
    let listed = site.sessions.sessions_of("ann").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].handle.to_string(), browser.get("/handle").await.body);
    site.sessions.end_all("ann", None).await.unwrap();
    assert_eq!(browser.get("/subject/get=n").await.body, "- -");
    assert!(site.sessions.sessions_of("ann").await.unwrap().is_empty());
}

const MINUTE: Duration = Duration::from_secs(60);
/// The default of `absolute_timeout`.
const OLD_END: Duration = Duration::from_secs(24 * 3600);
