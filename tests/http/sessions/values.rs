//! Reading and writing.

use std::collections::BTreeMap;

use cloakroom::testing::Call;
use cloakroom::{ErrorKind, Session, SessionKey};
use cloakroom_store::Store;
use serde::{Deserialize, Serialize};

use super::page::{COUNT, Page};

#[tokio::test]
async fn typed_and_plain_keys_name_the_same_value() {
    const NAME: SessionKey<String> = SessionKey::new("name");
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.insert(COUNT, &7).await?;
        session.insert(NAME, "Ann").await?;
        session.insert("list".to_owned(), &[1, 2]).await
    })
    .await
    .value();
    page.get(&browser, async |session: Session| {
        assert_eq!(session.get::<u64>("count").await?, Some(7));
        assert_eq!(session.get(&COUNT).await?, Some(7));
        assert_eq!(session.get::<String>("name").await?.as_deref(), Some("Ann"));
        assert_eq!(session.get::<Vec<u8>>(&"list".to_owned()).await?, Some(vec![1, 2]));
        Ok(())
    })
    .await
    .value();
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cart {
    owner: Option<String>,
    items: Vec<(u32, f64)>,
}

#[tokio::test]
async fn a_value_of_an_own_type_comes_back_as_it_was() {
    let page = Page::new().await;
    let browser = page.browser();
    let cart =
        || Cart { owner: Some("\u{1F9E5} \"'\\\n\0".into()), items: vec![(7, 0.1), (u32::MAX, -1e300)] };
    page.post(&browser, async move |session: Session| session.insert("cart", &cart()).await).await.value();
    let read = page.get(&browser, async |session: Session| session.get::<Cart>("cart").await).await.value();
    assert_eq!(read, Some(cart()));
}

#[tokio::test]
async fn a_read_sees_what_the_same_request_wrote() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.insert("a", &1).await?;
        session.insert("b", &2).await
    })
    .await
    .value();
    page.post(&browser, async |session: Session| {
        session.insert("a", &10).await?;
        session.insert("c", &30).await?;
        assert_eq!(session.get::<u32>("a").await?, Some(10));
        assert_eq!(session.keys().await?, ["a", "b", "c"]);

        session.remove("b").await?;
        assert_eq!(session.get::<u32>("b").await?, None);
        assert!(!session.contains("b").await?);
        assert_eq!(session.len().await?, 2);

        session.clear().await?;
        assert_eq!(session.get::<u32>("a").await?, None);
        assert!(session.is_empty().await?);

        session.insert("d", &4).await?;
        assert_eq!(session.keys().await?, ["d"]);
        Ok(())
    })
    .await
    .value();
    let keys = page.get(&browser, async |session: Session| session.keys().await).await.value();
    assert_eq!(keys, ["d"]);
}

#[tokio::test]
async fn all_keys_and_values_can_be_listed_in_order() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.insert("z", &[true]).await?;
        session.insert("a", "x").await?;
        session.insert("ä", &None::<u8>).await
    })
    .await
    .value();
    page.get(&browser, async |session: Session| {
        assert_eq!(session.keys().await?, ["a", "z", "ä"]);
        assert_eq!(session.len().await?, 3);
        assert!(!session.is_empty().await?);
        assert!(session.contains("ä").await?);
        let expected = [("a", "x".into()), ("z", vec![true].into()), ("ä", serde_json::Value::Null)];
        let expected: BTreeMap<_, _> = expected.map(|(key, value)| (key.to_owned(), value)).into();
        assert_eq!(session.entries().await?, expected);
        Ok(())
    })
    .await
    .value();
}

/// The Rust type of a value changes with a release; the old values are read by the old one and by nobody else.
#[tokio::test]
async fn a_value_of_another_type_is_an_error_for_its_key_alone() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.insert("count", "seven").await?;
        session.insert("other", &1).await
    })
    .await
    .value();
    page.post(&browser, async |session: Session| {
        assert_eq!(session.get(COUNT).await.unwrap_err().kind(), ErrorKind::Value);
        let updated = session.update(COUNT, |count| *count = Some(1)).await;
        assert_eq!(updated.unwrap_err().kind(), ErrorKind::Value);
        assert!(session.contains(COUNT).await?);
        assert_eq!(session.len().await?, 2);
        session.update("other", |other: &mut Option<u32>| *other = Some(2)).await
    })
    .await
    .value();
    page.get(&browser, async |session: Session| {
        assert_eq!(session.get::<String>("count").await?.as_deref(), Some("seven"));
        assert_eq!(session.get::<u32>("other").await?, Some(2));
        Ok(())
    })
    .await
    .value();
}

/// An object that no type of ours would write again as it is: the same member twice.
struct Peculiar;

impl Serialize for Peculiar {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("k", 1), ("k", 2)])
    }
}

#[tokio::test]
async fn what_is_not_asked_for_is_kept_byte_for_byte() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert("peculiar", &Peculiar).await).await.value();
    page.post(&browser, async |session: Session| session.insert("other", &1).await).await.value();
    page.post(&browser, async |session: Session| session.sign_in("ann").await).await.value();
    let stored = page.store.facets().scan.unwrap().page(None, 2).await.unwrap().items;
    let [(_, record)] = &stored[..] else { panic!("one session, not {stored:?}") };
    let bytes = String::from_utf8_lossy(&record.data);
    assert!(bytes.contains(r#"{"k":1,"k":2}"#), "{bytes}");
}

#[tokio::test]
async fn writing_the_same_bytes_again_is_no_change() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert(COUNT, &7).await).await.value();
    page.post(&browser, async |session: Session| {
        session.insert(COUNT, &8).await?;
        session.insert(COUNT, &7).await?;
        session.remove("absent").await?;
        session.update(COUNT, |count| *count = Some(7)).await?;
        session.take::<u8>("absent").await
    })
    .await
    .value();
    assert_eq!((page.store.count(Call::Create), page.store.count(Call::Replace)), (1, 0));
}

#[tokio::test]
async fn one_request_is_one_load_and_one_write() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert("a", &1).await).await.value();
    assert_eq!((page.store.count(Call::Load), page.store.count(Call::Create)), (0, 1));
    page.post(&browser, async |session: Session| {
        for key in ["b", "c", "d"] {
            session.get::<u8>("a").await?;
            session.insert(key, &1).await?;
        }
        session.remove("c").await
    })
    .await
    .value();
    assert_eq!((page.store.count(Call::Load), page.store.count(Call::Replace)), (1, 1));
}

#[tokio::test]
async fn an_update_is_saved_when_it_returns_and_says_what_the_change_answered() {
    let page = Page::new().await;
    let browser = page.browser();
    let store = page.store.clone();
    let answer = page
        .post(&browser, async move |session: Session| {
            session.insert("recorded", &true).await?;
            let answer = session.update(COUNT, |count| count.insert(5).to_string()).await?;
            assert_eq!(store.count(Call::Create), 1);
            assert_eq!(session.get(COUNT).await?, Some(5));
            session.update(COUNT, |count| count.as_mut().map(|count| *count += 1)).await?;
            assert_eq!(store.count(Call::Replace), 1);
            Ok(answer)
        })
        .await
        .value();
    assert_eq!(answer, "5");
    page.get(&browser, async |session: Session| {
        assert_eq!(session.get(COUNT).await?, Some(6));
        assert_eq!(session.get("recorded").await?, Some(true));
        Ok(())
    })
    .await
    .value();
}

#[tokio::test]
async fn take_answers_the_value_and_removes_it() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| {
        session.insert("flash", "saved!").await?;
        session.insert("kept", &1).await
    })
    .await
    .value();
    let taken =
        page.post(&browser, async |session: Session| session.take::<String>("flash").await).await.value();
    assert_eq!(taken.as_deref(), Some("saved!"));
    let taken =
        page.post(&browser, async |session: Session| session.take::<String>("flash").await).await.value();
    assert_eq!(taken, None);
    let keys = page.get(&browser, async |session: Session| session.keys().await).await.value();
    assert_eq!(keys, ["kept"]);
}

#[tokio::test]
async fn what_a_request_saved_stays_though_it_fails_later() {
    let page = Page::new().await;
    let browser = page.browser();
    let visit = page
        .post(&browser, async |session: Session| {
            session.insert("saved", &1).await?;
            session.save().await?;
            session.update("updated", |value| *value = Some(1)).await?;
            session.insert("recorded", &1).await?;
            session.insert("saved", "text").await?;
            session.get::<u32>("saved").await // a 500
        })
        .await;
    assert_eq!(visit.response.status, 500);
    assert_eq!(visit.response.cookies().len(), 1, "the session exists, so the browser is told");
    page.get(&browser, async |session: Session| {
        assert_eq!(session.keys().await?, ["saved", "updated"]);
        assert_eq!(session.get::<u32>("saved").await?, Some(1));
        Ok(())
    })
    .await
    .value();
}

/// PEERS: "loading a session for static files" (tower-sessions#98).
#[tokio::test]
async fn a_request_that_does_not_use_its_session_asks_nothing_of_the_store() {
    let page = Page::new().await;
    let browser = page.browser();
    page.post(&browser, async |session: Session| session.insert("a", &1).await).await.value();
    let response = page
        .get(&browser, async |session: Session| {
            session.no_touch();
            drop(session.clone());
            Ok(())
        })
        .await
        .ok();
    assert_eq!(page.store.count(Call::Load), 0);
    assert_eq!((response.cookies().len(), response.header("vary")), (0, None));
}
