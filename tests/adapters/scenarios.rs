//! The scenarios: one per rule.

use cloakroom::Settings;
use cloakroom::stores::MemoryStore;

use crate::site::{Adapter, Site};

/// A test for each scenario, with this adapter.
macro_rules! each {
    ($adapter:ty) => {
        $crate::scenarios::each! { $adapter:
            a_counter_counts,
            a_panic_saves_nothing,
        }
    };
    ($adapter:ty: $($scenario:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $scenario() {
            $crate::scenarios::$scenario::<$adapter>().await;
        })*
    };
}
pub(crate) use each;

async fn site<A: Adapter>() -> Site {
    Site::start::<A>(MemoryStore::new(), Settings::default()).await
}

pub(crate) async fn a_counter_counts<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    for expected in ["1", "2", "3"] {
        assert_eq!(browser.get("/inc=count").await.body, expected);
    }
    assert_eq!(site.browser().get("/inc=count").await.body, "1", "another visitor");
}

pub(crate) async fn a_panic_saves_nothing<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.get("/set=count:1").await;
    let response = browser.try_send(cloakroom_tests::Request::post("/set=count:9/panic")).await;
    match A::DIFFERENCES.answers_panics {
        true => assert_eq!((response.as_ref().unwrap().status, response.unwrap().cookies().len()), (500, 0)),
        false => assert!(response.is_err(), "{response:?}"),
    }
    assert_eq!(browser.get("/get=count").await.body, "1");
}
