//! How requests keep a session alive.

use std::time::Duration;

use cloakroom::testing::Call;
use cloakroom::{Session, Settings};
use cloakroom_tests::Browser;

use super::page::{COUNT, Page};

const MINUTE: Duration = Duration::from_secs(60);

async fn count(page: &Page, browser: &Browser) -> Option<u64> {
    page.get(browser, async |session: Session| session.get(COUNT).await).await.value()
}

/// Touches are made after the response.
async fn touched(page: &Page, times: usize) {
    for _ in 0..1000 {
        if page.store.count(Call::Touch) >= times {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(page.store.count(Call::Touch), times);
}

/// PEERS: "idle timeout not extended by reads; or a write on every read" (tower-sessions#74, actix-extras#231,
/// express-session#727).
#[tokio::test]
async fn a_read_extends_the_idle_time_at_most_once_a_minute_and_writes_no_data() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &7).await).await.value();
    for minutes in 1..=3 {
        page.site.clock.advance(MINUTE);
        for _ in 0..3 {
            assert_eq!(count(&page, &browser).await, Some(7));
            touched(&page, minutes).await;
        }
    }
    page.site.clock.advance(59 * MINUTE);
    assert_eq!(count(&page, &browser).await, Some(7));
    touched(&page, 4).await;
    page.site.clock.advance(60 * MINUTE);
    assert_eq!(count(&page, &browser).await, None);
    assert_eq!((page.store.count(Call::Create), page.store.count(Call::Replace)), (1, 0));
}

/// PEERS: "background polls keep a session alive" (graylog2-server#3565).
#[tokio::test]
async fn a_request_that_asks_for_it_does_not_extend_the_idle_time() {
    let page = Page::with(Settings::new().anonymous_idle_timeout(60 * MINUTE)).await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &7).await).await.value();
    page.site.clock.advance(59 * MINUTE);
    page.post(&browser, async |session: Session| {
        session.no_touch();
        session.insert(COUNT, &8).await
    })
    .await
    .value();
    page.get(&browser, async |session: Session| {
        session.no_touch();
        session.get(COUNT).await
    })
    .await
    .value();
    page.site.clock.advance(MINUTE);
    assert_eq!(count(&page, &browser).await, None);
    assert_eq!(page.store.count(Call::Touch), 0);
}

/// PEERS: "idle and absolute limits together" (h3#1513).
#[tokio::test]
async fn a_session_ends_at_its_absolute_limit_however_busy_it_is() {
    let page = Page::with(Settings::new().absolute_timeout(90 * MINUTE)).await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &7).await).await.value();
    for _ in 0..3 {
        page.site.clock.advance(29 * MINUTE);
        assert_eq!(count(&page, &browser).await, Some(7));
        page.post(&browser, async |session: Session| session.insert("busy", &session.len().await?).await)
            .await
            .value();
    }
    page.site.clock.advance(3 * MINUTE);
    assert_eq!(count(&page, &browser).await, None);
}
