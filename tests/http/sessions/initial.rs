//! Initial values: what reads fall back to.

use cloakroom::testing::Call;
use cloakroom::{Initializer, Session, Settings};

use super::page::{COUNT, Page};

async fn page() -> Page {
    let initializer = Initializer::new().with("count", &10).unwrap().with("theme", "dark").unwrap();
    Page::with(Settings::new().initializer(initializer)).await
}

#[tokio::test]
async fn a_new_session_has_the_initial_values_and_is_not_stored_for_them() {
    let page = page().await;
    let browser = page.browser();
    let response = page
        .get(&browser, async |session: Session| {
            assert_eq!(session.get(COUNT).await?, Some(10));
            assert!(session.contains("theme").await?);
            assert_eq!(session.keys().await?, ["count", "theme"]);
            assert_eq!(session.entries().await?["theme"], "dark");
            Ok(())
        })
        .await
        .ok();
    assert_eq!((response.cookies().len(), page.store.count(Call::Create)), (0, 0));
}

#[tokio::test]
async fn only_what_is_written_is_stored() {
    let page = page().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.update(COUNT, |count| *count = count.map(|count| count + 1)).await?;
        session.insert("own", &1).await
    })
    .await
    .value();
    page.get(&browser, async |session: Session| {
        assert_eq!(session.get(COUNT).await?, Some(11));
        assert_eq!(session.keys().await?, ["count", "own", "theme"]);
        Ok(())
    })
    .await
    .value();
    let records =
        cloakroom_store::Store::facets(&page.store).scan.unwrap().page(None, 1).await.unwrap().items;
    assert!(!String::from_utf8_lossy(&records[0].1.data).contains("theme"));
}

#[tokio::test]
async fn what_is_removed_or_cleared_returns_to_its_initial_value() {
    let page = page().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.insert(COUNT, &1).await?;
        session.insert("theme", "light").await?;
        session.insert("own", &1).await
    })
    .await
    .value();
    page.post(&browser, async |session: Session| {
        session.remove(COUNT).await?;
        assert_eq!(session.get(COUNT).await?, Some(10));
        Ok(())
    })
    .await
    .value();
    page.post(&browser, async |session: Session| {
        assert_eq!(session.get(COUNT).await?, Some(10));
        assert_eq!(session.get::<String>("theme").await?.as_deref(), Some("light"));
        session.clear().await?;
        assert_eq!(session.keys().await?, ["count", "theme"]);
        assert_eq!(session.get::<String>("theme").await?.as_deref(), Some("dark"));
        Ok(())
    })
    .await
    .value();
    let keys = page.get(&browser, async |session: Session| session.keys().await).await.value();
    assert_eq!(keys, ["count", "theme"]);
}

/// A fallback cannot be told from a value, so there is no end to taking it; what is written can be taken once.
#[tokio::test]
async fn taking_an_initial_value_stores_nothing() {
    let page = page().await;
    let browser = page.browser();
    let taken = page.post(&browser, async |session: Session| session.take(COUNT).await).await;
    assert_eq!(taken.value(), Some(10));
    assert_eq!(page.store.count(Call::Create), 0);
}
