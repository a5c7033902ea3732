//! Requests of one session at the same time, none of them with the session to itself.

use cloakroom::{ErrorKind, Locking, OnConflict, Session, Settings};
use cloakroom_tests::{Browser, Gate};

use super::page::{COUNT, Page, Visit};

/// A page on which only what calls `lock` has the session to itself, and a browser with `count = 1` and `other = 1`.
async fn page_and_browser(on_conflict: OnConflict) -> (Page, Browser) {
    let page = Page::with(Settings::new().locking(Locking::Explicit).on_conflict(on_conflict)).await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.insert(COUNT, &1).await?;
        session.insert("other", &1).await
    })
    .await
    .value();
    (page, browser)
}

/// Lets one request do `before`, then another do `meanwhile` from beginning to end, then the first one do `after`.
async fn race<B, FB, M, FM, A, FA, T>(
    page: &Page,
    browser: &Browser,
    before: B,
    meanwhile: M,
    after: A,
) -> Visit<T>
where
    B: FnOnce(Session) -> FB + Send + 'static,
    FB: Future<Output = cloakroom::Result<()>> + Send + 'static,
    M: FnOnce(Session) -> FM + Send + 'static,
    FM: Future<Output = cloakroom::Result<()>> + Send + 'static,
    A: FnOnce(Session) -> FA + Send + 'static,
    FA: Future<Output = cloakroom::Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let (gate, tab) = (Gate::new(), browser.tab());
    let slow = {
        let gate = gate.clone();
        page.post(&tab, async move |session: Session| {
            before(session.clone()).await?;
            gate.pass().await;
            after(session).await
        })
    };
    let quick = async {
        gate.arrival().await;
        page.post(browser, meanwhile).await.value();
        gate.open();
    };
    tokio::join!(slow, quick).0
}

async fn count(page: &Page, browser: &Browser) -> Option<u64> {
    page.get(browser, async |session: Session| session.get(COUNT).await).await.value()
}

async fn nothing(_: Session) -> cloakroom::Result<()> {
    Ok(())
}

async fn write_count(session: Session) -> cloakroom::Result<()> {
    session.insert(COUNT, &50).await
}

/// PEERS: "parallel requests overwrite each other's session" (tower-sessions#35–37, axum-csrf-sync-pattern#27,
/// laravel#18187, aspnet/Session#72).
#[tokio::test]
async fn inserts_of_different_keys_both_win() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let visit = race(
        &page,
        &browser,
        async |session: Session| session.insert("slow", &1).await,
        async |session: Session| {
            session.insert("quick", &1).await?;
            session.remove("other").await
        },
        nothing,
    )
    .await;
    visit.value();
    let keys = page.get(&browser, async |session: Session| session.keys().await).await.value();
    assert_eq!(keys, ["count", "quick", "slow"]);
}

#[tokio::test]
async fn of_two_writes_to_a_key_that_nobody_read_the_later_wins() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    race(&page, &browser, async |s: Session| s.insert(COUNT, &2).await, write_count, nothing).await.value();
    assert_eq!(count(&page, &browser).await, Some(2));
}

#[tokio::test]
async fn writing_again_what_was_there_leaves_another_request_s_change_alone() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let same_again = async |session: Session| {
        session.insert("slow", &1).await?;
        session.insert(COUNT, &1).await
    };
    race(&page, &browser, same_again, write_count, nothing).await.value();
    assert_eq!(count(&page, &browser).await, Some(50));
}

#[tokio::test]
async fn a_write_that_rests_on_a_read_that_no_longer_holds_is_refused_with_everything_beside_it() {
    for listed in [false, true] {
        let (page, browser) = page_and_browser(OnConflict::Reject).await;
        let read = async move |session: Session| match listed {
            true => session.entries().await.map(drop),
            false => session.contains(COUNT).await.map(drop),
        };
        let write = async |session: Session| {
            session.insert("beside", &1).await?;
            session.insert(COUNT, &2).await
        };
        let response = race(&page, &browser, read, write_count, write).await.ok();
        assert_eq!((response.status, response.cookies().len()), (409, 0), "listed: {listed}");
        assert_eq!(count(&page, &browser).await, Some(50), "listed: {listed}");
        let beside =
            page.get(&browser, async |session: Session| session.contains("beside").await).await.value();
        assert!(!beside, "listed: {listed}");
    }
}

#[tokio::test]
async fn on_conflict_overwrite_lets_the_later_write_win() {
    let (page, browser) = page_and_browser(OnConflict::Overwrite).await;
    let add_one = async |session: Session| session.insert(COUNT, &2).await;
    race(&page, &browser, async |s: Session| s.get(COUNT).await.map(drop), write_count, add_one)
        .await
        .value();
    assert_eq!(count(&page, &browser).await, Some(2));
}

#[tokio::test]
async fn what_was_read_and_not_written_may_change() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let write_other = async |session: Session| session.insert("other", &2).await;
    race(&page, &browser, async |s: Session| s.get(COUNT).await.map(drop), write_count, write_other)
        .await
        .value();
    assert_eq!(count(&page, &browser).await, Some(50));
}

/// Two increments by hand come to the same value, and one of them would be lost.
#[tokio::test]
async fn that_both_write_the_same_value_is_no_excuse() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let read = async |session: Session| session.get(COUNT).await.map(drop);
    let response = race(&page, &browser, read, write_count, write_count).await.ok();
    assert_eq!(response.status, 409);
}

/// What a request changes and changes back, it has not changed.
#[tokio::test]
async fn an_update_back_to_what_was_read_undoes_nobodys_change() {
    for on_conflict in [OnConflict::Reject, OnConflict::Overwrite] {
        let (page, browser) = page_and_browser(on_conflict).await;
        let read_and_write = async |session: Session| {
            let count: Option<u64> = session.get(COUNT).await?;
            session.insert("other", &2).await?;
            session.insert(COUNT, &(count.unwrap_or(0) + 4)).await
        };
        let back = async |session: Session| session.update(COUNT, |count| count.replace(1)).await;
        let before = race(&page, &browser, read_and_write, write_count, back).await.value();
        assert_eq!((before, count(&page, &browser).await), (Some(5), Some(50)), "{on_conflict:?}");
    }
}

#[tokio::test]
async fn reads_are_of_one_moment() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let read = async |session: Session| Ok((session.get(COUNT).await?, session.get("other").await?));
    let change_both = async |session: Session| {
        session.insert(COUNT, &2).await?;
        session.insert("other", &2).await
    };
    let read_one = async |session: Session| session.get(COUNT).await.map(drop);
    let seen: (Option<u64>, Option<u64>) = race(&page, &browser, read_one, change_both, read).await.value();
    assert_eq!(seen, (Some(1), Some(1)));
}

#[tokio::test]
async fn an_update_applies_to_what_is_there_by_then_whatever_was_read_before() {
    let read_one = async |session: Session| session.get(COUNT).await.map(drop);
    let read_all = async |session: Session| session.len().await.map(drop);
    let update =
        async |session: Session| session.update(COUNT, |count| count.map(|n| *count.insert(n + 1))).await;
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    assert_eq!(race(&page, &browser, read_one, write_count, update).await.value(), Some(51));
    assert_eq!(race(&page, &browser, read_all, write_count, update).await.value(), Some(51));
    assert_eq!(count(&page, &browser).await, Some(51));
}

/// The update itself would not conflict; what was recorded before it does.
#[tokio::test]
async fn an_update_on_top_of_a_write_that_rests_on_a_stale_read_is_refused() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let read_and_write = async |session: Session| {
        session.get(COUNT).await?;
        session.insert(COUNT, &2).await
    };
    let update = async |session: Session| session.update(COUNT, |n| *n.get_or_insert(0) += 1).await;
    let visit = race(&page, &browser, read_and_write, write_count, update).await;
    assert_eq!(visit.error(), ErrorKind::Conflict);
    assert_eq!(count(&page, &browser).await, Some(50));
}

#[tokio::test]
async fn parallel_updates_all_count() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let tabs: Vec<_> = (0..10).map(|_| browser.tab()).collect();
    let add_five = |tab| async {
        let tab: Browser = tab;
        for _ in 0..5 {
            let add = async |session: Session| session.update(COUNT, |n| *n.get_or_insert(0) += 1).await;
            page.post(&tab, add).await.value();
        }
    };
    let mut running: Vec<_> = tabs.into_iter().map(|tab| Box::pin(add_five(tab))).collect();
    std::future::poll_fn(|cx| {
        running.retain_mut(|run| run.as_mut().poll(cx).is_pending());
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    assert_eq!(count(&page, &browser).await, Some(51));
}

#[tokio::test]
async fn of_two_requests_that_take_a_value_one_gets_it() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let take = async |session: Session| {
        assert_eq!(session.take(COUNT).await?, Some(1));
        Ok(())
    };
    let late = race(&page, &browser, nothing, take, async |s: Session| s.take(COUNT).await).await;
    assert_eq!(late.value(), None);
    let read = async |session: Session| session.get(COUNT).await.map(drop);
    page.post(&browser, async |session: Session| session.insert(COUNT, &1).await).await.value();
    let late = race(&page, &browser, read, take, async |s: Session| s.take(COUNT).await).await;
    assert_eq!(late.value(), None);
}

#[tokio::test]
async fn what_was_saved_mid_handler_is_there_for_others_at_once() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let save = async |session: Session| {
        session.insert(COUNT, &2).await?;
        session.save().await
    };
    let sees = async |session: Session| {
        assert_eq!(session.get(COUNT).await?, Some(2));
        session.insert(COUNT, &3).await
    };
    race(&page, &browser, save, sees, nothing).await.value();
    assert_eq!(count(&page, &browser).await, Some(3));
}

#[tokio::test]
async fn a_reload_shows_what_others_saved_and_keeps_what_is_recorded() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let record = async |session: Session| {
        assert_eq!(session.get(COUNT).await?, Some(1));
        session.insert("recorded", &1).await
    };
    let reload = async |session: Session| {
        assert_eq!(session.get(COUNT).await?, Some(1));
        assert!(session.reload().await?);
        let count = session.get(COUNT).await?;
        assert!(session.contains("recorded").await?);
        session.insert(COUNT, &51).await?;
        Ok(count)
    };
    assert_eq!(race(&page, &browser, record, write_count, reload).await.value(), Some(50));
    let entries = page.get(&browser, async |session: Session| session.entries().await).await.value();
    assert_eq!((&entries["count"], &entries["recorded"]), (&51.into(), &1.into()));
}

#[tokio::test]
async fn a_reload_tells_that_the_session_is_gone() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let reload = async |session: Session| {
        let gone = !session.reload().await?;
        assert!(session.is_empty().await?);
        Ok(gone)
    };
    let read = async |session: Session| session.get(COUNT).await.map(drop);
    let gone = race(&page, &browser, read, async |s: Session| s.destroy().await, reload).await.value();
    assert!(gone);
    let never_stored =
        page.get(&page.browser(), async |session: Session| session.reload().await).await.value();
    assert!(!never_stored);
}

#[tokio::test]
async fn a_lock_refuses_what_was_read_before_it_and_has_changed() {
    let (page, browser) = page_and_browser(OnConflict::Reject).await;
    let read = async |session: Session| session.get(COUNT).await.map(drop);
    let visit = race(&page, &browser, read, write_count, async |s: Session| s.lock().await).await;
    assert_eq!(visit.error(), ErrorKind::Conflict);
    let lock = async |session: Session| {
        session.lock().await?;
        let count = session.get(COUNT).await?;
        session.insert(COUNT, &60).await?;
        session.unlock().await?;
        Ok(count)
    };
    let other = async |session: Session| session.insert("other", &9).await;
    assert_eq!(race(&page, &browser, read, other, lock).await.value(), Some(50));
    assert_eq!(count(&page, &browser).await, Some(60));
}

/// PEERS: "a lock held by an extractor deadlocks" (axum-sessions#47, #49).
#[tokio::test]
async fn clones_of_a_session_and_locks_in_a_locked_request_never_wait_for_each_other() {
    let page = Page::with(Settings::new().locking(Locking::Implicit)).await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &1).await).await.value();
    page.get(&browser, async |session: Session| {
        let clone = session.clone();
        session.get(COUNT).await?;
        clone.lock().await?;
        session.lock().await?;
        let (one, other) = tokio::join!(session.insert("a", &1), clone.insert("b", &1));
        one.and(other)?;
        clone.update(COUNT, |count| *count = Some(2)).await?;
        session.unlock().await?;
        clone.lock().await
    })
    .await
    .value();
    let keys = page.get(&browser, async |session: Session| session.keys().await).await.value();
    assert_eq!(keys, ["a", "b", "count"]);
}
