//! Why a session is what it is.

use std::time::Duration;

use cloakroom::{Session, SessionStatus};
use cloakroom_tests::Request;

use super::page::{COUNT, Page};

async fn page_and_token() -> (Page, String) {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &1).await).await.value();
    let token = browser.token().unwrap();
    (page, token)
}

async fn origin(page: &Page, token: &str) -> SessionStatus {
    let request = Request::get("/").header("Cookie", format!("__Host-id={token}"));
    page.send(&page.browser(), request, async |session: Session| session.status().await).await.value()
}

#[tokio::test]
async fn a_request_without_a_token_of_ours_has_a_fresh_session() {
    let page = Page::new().await;
    let fresh = page.get(&page.browser(), async |session: Session| session.status().await).await.value();
    assert_eq!(fresh, SessionStatus::Fresh);
    assert_eq!(origin(&page, "nonsense").await, SessionStatus::Fresh);
}

#[tokio::test]
async fn a_request_with_its_token_resumes_its_session() {
    let (page, token) = page_and_token().await;
    assert_eq!(origin(&page, &token).await, SessionStatus::Resumed);
}

#[tokio::test]
async fn a_session_whose_time_is_over_is_expired() {
    let (page, token) = page_and_token().await;
    page.site.clock.advance(Duration::from_secs(3600));
    assert_eq!(origin(&page, &token).await, SessionStatus::Expired);
}

#[tokio::test]
async fn a_token_that_was_never_given_out_is_unknown() {
    let (page, _) = page_and_token().await;
    assert_eq!(origin(&page, &format!("1{}", "A".repeat(43))).await, SessionStatus::Unknown);
}

#[tokio::test]
async fn a_token_with_another_secret_is_superseded() {
    let (page, token) = page_and_token().await;
    let guess = format!("{}{}", &token[..31], "A".repeat(13));
    assert_eq!(origin(&page, &guess).await, SessionStatus::Superseded);
}

#[tokio::test]
async fn the_token_of_a_session_that_was_ended_is_superseded_and_then_unknown() {
    let (page, token) = page_and_token().await;
    let request = Request::post("/").header("Cookie", format!("__Host-id={token}"));
    page.send(&page.browser(), request, async |session: Session| session.destroy().await).await.value();
    assert_eq!(origin(&page, &token).await, SessionStatus::Superseded);
    page.site.clock.advance(Duration::from_secs(31));
    assert_eq!(origin(&page, &token).await, SessionStatus::Unknown);
}
