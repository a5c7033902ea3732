//! Empty sessions are not stored, emptied ones end, and after an end a new one begins.

use cloakroom::testing::Call;
use cloakroom::{Session, SessionStatus};
use cloakroom_tests::Request;

use super::page::{COUNT, Page};

#[tokio::test]
async fn a_session_that_holds_nothing_is_not_stored() {
    let page = Page::new().await;
    let browser = page.browser();
    let response = page
        .post(&browser, async |session: Session| {
            session.insert(COUNT, &1).await?;
            session.rotate().await?;
            session.remove(COUNT).await?;
            session.save().await?;
            session.insert("other", &1).await?;
            session.clear().await?;
            session.update("other", |_: &mut Option<u8>| ()).await?;
            assert_eq!(session.handle().await?, None);
            Ok(())
        })
        .await
        .ok();
    assert_eq!((response.cookies().len(), page.store.count(Call::Create)), (0, 0));
}

#[tokio::test]
async fn a_session_that_is_emptied_ends_and_its_cookie_is_removed() {
    for clear in [true, false] {
        let page = Page::new().await;
        let browser = page.browser();
        page.post(&browser, async |session: Session| session.insert(COUNT, &1).await).await.value();
        let token = browser.token().unwrap();
        let response = page
            .post(&browser, async move |session: Session| match clear {
                true => session.clear().await,
                false => session.remove(COUNT).await,
            })
            .await
            .ok();
        assert_eq!(response.cookies(), ["__Host-id=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"]);
        assert!(browser.jar().is_empty());

        let stranger = page.browser();
        stranger.jar().receive(&format!("__Host-id={token}; Path=/; Secure"), "/", true).unwrap();
        let origin = page.get(&stranger, async |session: Session| session.status().await).await.value();
        assert_eq!(origin, SessionStatus::Superseded);
    }
}

#[tokio::test]
async fn a_user_s_session_goes_on_without_values() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.insert(COUNT, &1).await?;
        session.sign_in("ann").await
    })
    .await
    .value();
    page.post(&browser, async |session: Session| session.clear().await).await.value();
    page.get(&browser, async |session: Session| {
        assert_eq!(session.subject().await?.unwrap().as_str(), "ann");
        assert!(session.is_empty().await?);
        Ok(())
    })
    .await
    .value();
}

#[tokio::test]
async fn what_is_written_after_a_destroy_starts_a_new_session_with_a_new_token() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.insert("old", &1).await?;
        session.sign_in("ann").await
    })
    .await
    .value();
    let old = browser.token().unwrap();
    let (before, after) = page
        .post(&browser, async |session: Session| {
            let before = session.handle().await?;
            session.insert("dropped", &1).await?;
            session.destroy().await?;
            assert!(session.is_empty().await?);
            assert_eq!(session.handle().await?, None);
            assert_eq!(session.subject().await?, None);
            session.insert("new", &2).await?;
            session.save().await?;
            Ok((before, session.handle().await?))
        })
        .await
        .value();
    assert_ne!(before, after);
    let new = browser.token().unwrap();
    assert_ne!(old[..21], new[..21], "the locators differ");
    page.get(&browser, async |session: Session| {
        assert_eq!(session.keys().await?, ["new"]);
        assert_eq!(session.subject().await?, None);
        Ok(())
    })
    .await
    .value();
}

#[tokio::test]
async fn a_destroy_stays_though_the_request_fails_later() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &1).await).await.value();
    let visit = page
        .post(&browser, async |session: Session| {
            session.sign_out().await?;
            session.insert("new", "text").await?;
            session.get::<u8>("new").await // a 500
        })
        .await;
    assert_eq!(visit.response.status, 500);
    assert!(browser.jar().is_empty());
}

/// PEERS: "logout undone by a request in flight" (vertx-web#2936, express-session#632, connect-redis#328).
#[tokio::test]
async fn a_request_in_flight_does_not_undo_a_sign_out() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &1).await).await.value();
    let (gate, tab) = (cloakroom_tests::Gate::new(), browser.tab());
    let slow = {
        let gate = gate.clone();
        page.get(&tab, async move |session: Session| {
            session.insert("late", &1).await?;
            gate.pass().await;
            Ok(())
        })
    };
    let sign_out = async {
        gate.arrival().await;
        page.post(&browser, async |session: Session| session.sign_out().await).await.value();
        gate.open();
    };
    let (slow, ()) = tokio::join!(slow, sign_out);
    let response = slow.ok();
    assert_eq!((response.status, response.cookies().len()), (200, 0));
    assert!(browser.jar().is_empty());
    assert_eq!(page.store.count(Call::Create), 1);
}

#[tokio::test]
async fn expire_cookie_leaves_the_session_stored() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &1).await).await.value();
    let token = browser.token().unwrap();
    let response = page
        .post(&browser, async |session: Session| {
            session.insert(COUNT, &2).await?;
            session.expire_cookie().await
        })
        .await
        .ok();
    assert_eq!(response.cookies(), ["__Host-id=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"]);
    assert!(browser.jar().is_empty());

    let elsewhere = page.browser();
    elsewhere.jar().receive(&format!("__Host-id={token}; Path=/; Secure"), "/", true).unwrap();
    let count = page.get(&elsewhere, async |session: Session| session.get(COUNT).await).await.value();
    assert_eq!(count, Some(2));
}

#[tokio::test]
async fn there_is_no_cookie_to_expire_for_a_new_visitor() {
    let page = Page::new().await;
    let browser = page.browser();
    let response = page.post(&browser, async |session: Session| session.expire_cookie().await).await.ok();
    assert_eq!(response.cookies().len(), 0);
}

/// PEERS: "`clear` on an unloaded session clears nothing" (tower-sessions#134).
#[tokio::test]
async fn clear_as_the_first_call_clears_what_is_stored() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert("old", &1).await).await.value();
    page.post(&browser, async |session: Session| {
        session.clear().await?;
        session.insert("new", &1).await
    })
    .await
    .value();
    let keys = page.get(&browser, async |session: Session| session.keys().await).await.value();
    assert_eq!(keys, ["new"]);
}

/// PEERS: "removal cookie does not remove" (tower-sessions#152, #268, actix-extras#87).
#[tokio::test]
async fn the_removal_has_the_attributes_of_the_cookie_it_removes() {
    let settings = cloakroom::Settings::new()
        .cookie_name("__Secure-sid")
        .cookie_domain("localhost")
        .cookie_path("/")
        .cookie_same_site(cloakroom::SameSite::None)
        .persistent(true);
    let page = Page::with(settings).await;
    let browser = page.browser();
    let set = page.post(&browser, async |session: Session| session.insert(COUNT, &1).await).await.ok();
    let removal = page.post(&browser, async |session: Session| session.destroy().await).await.ok();
    let attributes = |cookie: &str| {
        let (_, attributes) = cookie.split_once("; ").unwrap();
        attributes.rsplit_once("; Max-Age=").unwrap().0.to_owned()
    };
    assert_eq!(attributes(set.cookies()[0]), attributes(removal.cookies()[0]));
    assert!(browser.jar().is_empty());
}

/// PEERS: a sign-out of nobody costs nothing and says nothing; a cookie that is none of ours is left alone.
#[tokio::test]
async fn a_sign_out_without_a_session_writes_nothing() {
    let page = Page::new().await;
    let browser = page.browser();
    let response = page.post(&browser, async |session: Session| session.sign_out().await).await.ok();
    assert_eq!(response.cookies().len(), 0);
    let forged = Request::post("/").header("Cookie", format!("__Host-id=1{}", "A".repeat(43)));
    let response = page
        .send(&browser, forged, async |session: Session| {
            assert_eq!(session.status().await?, SessionStatus::Unknown);
            session.sign_out().await
        })
        .await
        .ok();
    assert_eq!(response.cookies().len(), 0);
    assert_eq!((page.store.count(Call::Create), page.store.count(Call::Replace)), (0, 0));
}
