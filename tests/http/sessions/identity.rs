//! Users, secrets, and cookies that outlive the browser.

use std::time::Duration;

use cloakroom::{ErrorKind, Session, Settings};
use cloakroom_tests::{Browser, Request};

use super::page::{COUNT, Page};

#[tokio::test]
async fn a_sign_in_keeps_what_an_anonymous_visitor_collected_under_a_new_secret() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert("cart", &[7]).await).await.value();
    let anonymous = browser.token().unwrap();
    let (before, after) = page
        .post(&browser, async |session: Session| {
            let before = session.handle().await?;
            session.insert("seen", &true).await?;
            session.sign_in("ann").await?;
            assert_eq!(session.subject().await?.unwrap().as_str(), "ann");
            assert!(session.authenticated_within(Duration::from_secs(1)).await?);
            session.insert("since", &1).await?;
            session.save().await?;
            Ok((before, session.handle().await?))
        })
        .await
        .value();
    assert_eq!(before, after, "it is the same session");
    assert_ne!(browser.token(), Some(anonymous.clone()));
    page.get(&browser, async |session: Session| {
        assert_eq!(session.keys().await?, ["cart", "seen", "since"]);
        assert_eq!(session.subject().await?.unwrap().as_str(), "ann");
        assert!(session.authenticated_at().await?.is_some());
        Ok(())
    })
    .await
    .value();

    let old = Request::get("/").header("Cookie", format!("__Host-id={anonymous}"));
    let subject =
        page.send(&page.browser(), old, async |session: Session| session.subject().await).await.value();
    assert_eq!(subject, None, "the anonymous secret is dead at once");
}

#[tokio::test]
async fn the_same_user_again_keeps_everything_and_another_user_finds_nothing() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.sign_in("ann").await?;
        session.insert("of_ann", &1).await
    })
    .await
    .value();
    let token = browser.token();
    page.post(&browser, async |session: Session| session.sign_in("ann").await).await.value();
    assert_ne!(browser.token(), token);
    let keys = page.get(&browser, async |session: Session| session.keys().await).await.value();
    assert_eq!(keys, ["of_ann"]);

    page.post(&browser, async |session: Session| {
        session.insert("still_of_ann", &1).await?;
        session.sign_in("bob").await?;
        session.insert("of_bob", &1).await
    })
    .await
    .value();
    page.get(&browser, async |session: Session| {
        assert_eq!(session.keys().await?, ["of_bob"]);
        assert_eq!(session.subject().await?.unwrap().as_str(), "bob");
        Ok(())
    })
    .await
    .value();
}

#[tokio::test]
async fn a_re_authentication_is_recent_and_then_no_more() {
    let page = Page::new().await;
    let browser = page.browser();
    let recent = async |session: Session| session.authenticated_within(Duration::from_secs(60)).await;
    assert!(!page.get(&browser, recent).await.value());
    page.post(&browser, async |session: Session| session.sign_in("ann").await).await.value();
    page.site.clock.advance(Duration::from_secs(59));
    assert!(page.get(&browser, recent).await.value());
    page.site.clock.advance(Duration::from_secs(1));
    assert!(!page.get(&browser, recent).await.value());
    page.post(&browser, async |session: Session| session.sign_in("ann").await).await.value();
    assert!(page.get(&browser, recent).await.value());
}

#[tokio::test]
async fn a_user_has_a_name_of_1_to_255_bytes() {
    let page = Page::new().await;
    for name in ["".to_owned(), "x".repeat(256)] {
        let visit =
            page.post(&page.browser(), async move |session: Session| session.sign_in(name).await).await;
        assert_eq!(visit.error(), ErrorKind::Unsupported);
    }
}

/// PEERS: "`renew` then `insert` loses one of them" (poem#196, actix-extras#244); and CherryPy's `regenerate()`
/// before the first access, which loses the data.
#[tokio::test]
async fn rotate_and_insert_keep_each_other_in_any_order() {
    for rotate_first in [true, false] {
        let page = Page::new().await;
        let browser = page.browser();
        page.post(&browser, async |session: Session| session.insert("old", &1).await).await.value();
        let token = browser.token();
        page.post(&browser, async move |session: Session| {
            if rotate_first {
                session.rotate().await?;
            }
            session.insert("new", &1).await?;
            if !rotate_first {
                session.rotate().await?;
            }
            Ok(())
        })
        .await
        .value();
        assert_ne!(browser.token(), token, "rotate first: {rotate_first}");
        let keys = page.get(&browser, async |session: Session| session.keys().await).await.value();
        assert_eq!(keys, ["new", "old"], "rotate first: {rotate_first}");
    }
}

#[tokio::test]
async fn rotate_alone_keeps_the_session_and_changes_the_secret_only() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &7).await).await.value();
    let old = browser.token().unwrap();
    let handle = async |session: Session| session.handle().await;
    let before = page.get(&browser, handle).await.value();
    page.post(&browser, async |session: Session| session.rotate().await).await.value();
    let new = browser.token().unwrap();
    assert_ne!(old, new);
    assert_eq!(old[..21], new[..21], "the locator stays");
    assert_eq!(page.get(&browser, handle).await.value(), before);

    // PEERS: "rotation throws parallel requests out" (CodeIgniter#1283, express-session#923).
    let with_old = || Request::get("/").header("Cookie", format!("__Host-id={old}"));
    let count = async |session: Session| session.get(COUNT).await;
    let late = page.send(&page.browser(), with_old(), count).await;
    assert_eq!(late.response.cookies().len(), 0);
    assert_eq!(late.value(), Some(7));
    page.site.clock.advance(Duration::from_secs(31));
    assert_eq!(page.send(&page.browser(), with_old(), count).await.value(), None);
}

#[tokio::test]
async fn a_handle_names_a_session_from_its_first_save_to_its_end() {
    let page = Page::new().await;
    let browser = page.browser();
    let (unsaved, saved) = page
        .post(&browser, async |session: Session| {
            session.insert(COUNT, &1).await?;
            let unsaved = session.handle().await?;
            session.save().await?;
            Ok((unsaved, session.handle().await?))
        })
        .await
        .value();
    assert_eq!(unsaved, None);
    let again = page.get(&browser, async |session: Session| session.handle().await).await.value();
    assert_eq!(again, saved);
    let handle = saved.unwrap();
    assert!(!browser.token().unwrap().contains(&handle.to_string()));
    assert!(page.site.sessions.end(&handle).await.unwrap());
    let after = page.get(&browser, async |session: Session| session.handle().await).await.value();
    assert_eq!(after, None);
}

fn max_age(browser: &Browser) -> Option<Duration> {
    browser.jar().remaining("__Host-id")
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_remembered_session_outlives_the_browser_and_the_usual_limits() {
    let page = Page::new().await;
    let browser = page.browser();
    let response = page
        .post(&browser, async |session: Session| {
            session.sign_in("ann").await?;
            session.remember(30 * DAY).await
        })
        .await
        .ok();
    let cookie = response.cookies()[0].to_ascii_lowercase();
    assert!(cookie.ends_with("; max-age=2592000") && !cookie.contains("expires"), "{cookie}");
    browser.jar().close();
    page.site.clock.advance(29 * DAY);
    browser.jar().advance(29 * DAY);
    let visit = page.get(&browser, async |session: Session| session.subject().await).await;
    assert_eq!(visit.response.cookies().len(), 0, "a touch sends no cookie");
    assert!(visit.value().is_some());
    page.site.clock.advance(DAY);
    assert_eq!(page.get(&browser, async |session: Session| session.subject().await).await.value(), None);
}

#[tokio::test]
async fn a_session_is_remembered_for_a_second_to_400_days() {
    let page = Page::new().await;
    for duration in [Duration::from_millis(999), 400 * DAY + Duration::from_secs(1)] {
        let visit =
            page.post(&page.browser(), async move |session: Session| session.remember(duration).await).await;
        assert_eq!(visit.error(), ErrorKind::Unsupported);
    }
}

#[tokio::test]
async fn a_persistent_cookie_lasts_for_what_is_left_of_the_session() {
    let page = Page::with(Settings::new().persistent(true)).await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &1).await).await.value();
    assert_eq!(max_age(&browser), Some(DAY));
    page.site.clock.advance(DAY / 96);
    let response = page.post(&browser, async |session: Session| session.insert(COUNT, &2).await).await.ok();
    assert_eq!(response.cookies().len(), 0, "a write sends no cookie");
    page.post(&browser, async |session: Session| session.rotate().await).await.value();
    assert_eq!(max_age(&browser), Some(DAY - DAY / 96));
}

async fn absolute_limit(page: &Page, browser: &Browser) -> Duration {
    let times = page.get(browser, async |session: Session| session.times().await).await.value().unwrap();
    assert!(times.idle_expires_at <= times.absolute_expires_at);
    times.absolute_expires_at.duration_since(times.authenticated_at.unwrap()).unwrap()
}

#[tokio::test]
async fn a_user_is_remembered_until_another_one_signs_in() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.sign_in("ann").await?;
        session.remember(30 * DAY).await
    })
    .await
    .value();
    page.site.clock.advance(DAY);
    browser.jar().advance(DAY);

    page.post(&browser, async |session: Session| session.sign_in("ann").await).await.value();
    // A re-authentication keeps the end that there was.
    assert_eq!((max_age(&browser), absolute_limit(&page, &browser).await), (Some(29 * DAY), 29 * DAY));

    let response = page.post(&browser, async |session: Session| session.sign_in("bob").await).await.ok();
    let cookie = response.cookies()[0].to_ascii_lowercase();
    assert!(!cookie.contains("max-age") && !cookie.contains("expires"), "{cookie}");
    assert_eq!((max_age(&browser), absolute_limit(&page, &browser).await), (None, DAY));
    page.site.clock.advance(DAY / 24);
    let subject = page.get(&browser, async |session: Session| session.subject().await).await.value();
    assert_eq!(subject, None, "the usual idle time");
}

/// SECURITY 30, RULES §1.
#[tokio::test]
async fn only_a_user_who_has_just_signed_in_is_remembered() {
    let page = Page::new().await;
    let browser = page.browser();
    let remember = async |browser: &Browser| {
        page.post(browser, async |session: Session| session.remember(30 * DAY).await).await
    };
    assert_eq!(remember(&browser).await.error(), ErrorKind::NotSignedIn);
    page.post(&browser, async |session: Session| session.sign_in("ann").await).await.value();
    page.site.clock.advance(MINUTE * 15 - Duration::from_millis(1));
    remember(&browser).await.value();
    assert_eq!(max_age(&browser), Some(30 * DAY));
    page.site.clock.advance(Duration::from_millis(1));
    assert_eq!(remember(&browser).await.error(), ErrorKind::ReauthenticationRequired);
}

/// SECURITY 30: on every store that lists; here on the one in memory.
#[tokio::test]
async fn a_session_remembered_after_the_sign_in_is_ended_with_all_others_when_its_old_end_has_passed() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.sign_in("ann").await).await.value();
    page.site.clock.advance(MINUTE);
    page.post(&browser, async |session: Session| session.remember(30 * DAY).await).await.value();
    page.site.clock.advance(2 * DAY);
    browser.jar().advance(2 * DAY);
    let subject = async || page.get(&browser, async |session: Session| session.subject().await).await.value();
    assert!(subject().await.is_some());
    assert_eq!(page.site.sessions.end_all("ann", None).await.unwrap(), 1);
    assert_eq!(subject().await, None);
}

#[tokio::test]
async fn a_forgotten_session_has_a_cookie_of_the_browser_and_the_usual_limits_from_then_on() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.sign_in("ann").await?;
        session.remember(30 * DAY).await
    })
    .await
    .value();
    page.site.clock.advance(5 * DAY);
    browser.jar().advance(5 * DAY);
    let response = page.post(&browser, async |session: Session| session.forget().await).await.ok();
    let cookie = response.cookies()[0].to_ascii_lowercase();
    assert!(!cookie.contains("max-age") && !cookie.contains("expires"), "{cookie}");
    let times = page.get(&browser, async |session: Session| session.times().await).await.value().unwrap();
    let left = times.absolute_expires_at.duration_since(times.authenticated_at.unwrap()).unwrap();
    assert_eq!(left, 6 * DAY);
    let again = page.post(&browser, async |session: Session| session.forget().await).await.ok();
    assert_eq!(again.cookies(), [""; 0], "once");
}
