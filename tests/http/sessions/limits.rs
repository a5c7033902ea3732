//! Limits, told at the insert that would break them.

use cloakroom::{Error, ErrorKind, Session, Settings};
use cloakroom_tests::Gate;

use super::page::Page;

async fn page() -> Page {
    Page::with(Settings::new().max_key_bytes(8).max_keys(3).max_record_bytes(1024).max_depth(2)).await
}

#[track_caller]
fn assert_too_large<T>(result: Result<T, Error>) {
    assert_eq!(result.err().map(|error| error.kind()), Some(ErrorKind::TooLarge));
}

#[tokio::test]
async fn an_insert_beyond_a_limit_is_refused_and_loses_nothing() {
    let page = page().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.insert("stored", "old").await?;
        session.save().await?;
        session.insert("recorded", "new").await?;
        let large = "x".repeat(2000);

        assert_too_large(session.insert("123456789", &1).await);
        assert_too_large(session.insert("deep", &[[[1]]]).await);
        assert_too_large(session.insert("large", &large).await);
        assert_too_large(session.insert("recorded", &large).await);
        assert_too_large(session.insert("stored", &large).await);
        assert_too_large(session.update("stored", |value| *value = Some(large.clone())).await);
        session.insert("third", "3").await?;
        assert_too_large(session.insert("fourth", &4).await);
        assert_too_large(session.update("fourth", |value| *value = Some(4)).await);
        assert_eq!(session.keys().await?, ["recorded", "stored", "third"]);
        Ok(())
    })
    .await
    .value();
    let values = async |session: Session| {
        let entries = session.entries().await?;
        Ok(entries.into_values().collect::<Vec<_>>())
    };
    assert_eq!(page.get(&browser, values).await.value(), ["new", "old", "3"]);
}

#[tokio::test]
async fn a_session_as_large_as_it_may_be_can_still_be_signed_in_rotated_and_emptied() {
    let page = page().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        for length in (1..1024).rev() {
            if session.insert("large", &"x".repeat(length)).await.is_ok() {
                return Ok(());
            }
        }
        panic!("nothing fits");
    })
    .await
    .value();
    page.post(&browser, async |session: Session| session.rotate().await).await.value();
    page.post(&browser, async |session: Session| session.sign_in("a".repeat(255)).await).await.value();
    page.post(&browser, async |session: Session| session.remove("large").await).await.value();
    let empty = page.get(&browser, async |session: Session| session.is_empty().await).await.value();
    assert!(empty);
}

/// The limit is checked against what there is by then, not only at the insert.
#[tokio::test]
async fn a_limit_also_holds_for_what_two_requests_insert_at_once() {
    let page = page().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert("a", &1).await).await.value();
    let tab = browser.tab();
    let gate = Gate::new();
    let late = {
        let gate = gate.clone();
        page.get(&tab, async move |session: Session| {
            session.insert("d", &1).await?;
            gate.pass().await;
            Ok(())
        })
    };
    let early = async {
        gate.arrival().await;
        let two_more = async |session: Session| {
            session.insert("b", &1).await?;
            session.insert("c", &1).await
        };
        page.get(&browser, two_more).await.value();
        gate.open();
    };
    let (late, ()) = tokio::join!(late, early);
    assert_eq!(late.ok().status, 413);
    let keys = page.get(&browser, async |session: Session| session.keys().await).await.value();
    assert_eq!(keys, ["a", "b", "c"]);
}
