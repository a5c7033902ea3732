//! Two applications with cookies of different names that share one store: a token is worth something under its own name
//! only.

use cloakroom::Settings;
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Call, FaultyStore};
use cloakroom_tests::{Browser, Request, Site};

use crate::routes::{look_with, routes, secret_key};

/// A shop and its back office.
struct Neighbors {
    store: FaultyStore<MemoryStore>,
    shop: Site,
    office: Site,
}

impl Neighbors {
    async fn new(settings: Settings) -> Self {
        let store = FaultyStore::new(MemoryStore::new());
        let shop = Site::start(store.clone(), settings.clone().cookie_name("__Host-shop"), routes()).await;
        let office = Site::start(store.clone(), settings.cookie_name("__Host-office"), routes()).await;
        Self { store, shop, office }
    }

    /// How many calls changed anything.
    fn changes(&self) -> usize {
        [Call::Create, Call::Replace, Call::Touch, Call::Delete]
            .map(|call| self.store.count(call))
            .iter()
            .sum()
    }
}

/// A visitor of the shop, who has a coat there, and the token.
async fn visitor_of_the_shop(neighbors: &Neighbors) -> (Browser, String) {
    let browser = Browser::new(&neighbors.shop);
    let response = browser.send(Request::post("/put").body("red")).await;
    let token = response.cookies()[0].strip_prefix("__Host-shop=").unwrap().split(';').next().unwrap();
    (browser, token.to_owned())
}

/// SECURITY 21.
#[tokio::test]
async fn a_token_under_the_cookie_name_of_another_application_is_unknown_there_and_creates_nothing() {
    let neighbors = Neighbors::new(Settings::new()).await;
    let (visitor, token) = visitor_of_the_shop(&neighbors).await;
    let before = neighbors.changes();

    let at_the_office = Browser::new(&neighbors.office);
    let looked = look_with(&at_the_office, format!("__Host-office={token}")).await;
    assert_eq!((looked.body.as_str(), looked.cookies()), ("unknown -", vec![]));

    assert_eq!(neighbors.changes(), before);
    assert_eq!(visitor.get("/look").await.body, "resumed red");
}

/// SECURITY 21. The key of the record is that of another session, and so is everything that is done to it.
#[tokio::test]
async fn what_is_done_under_a_renamed_cookie_is_done_to_another_session() {
    let neighbors = Neighbors::new(Settings::new()).await;
    let (visitor, token) = visitor_of_the_shop(&neighbors).await;

    let at_the_office = Browser::new(&neighbors.office);
    for path in ["/put", "/sign-in", "/rotate", "/sign-out"] {
        let request = Request::post(path).header("Cookie", format!("__Host-office={token}")).body("ann");
        let response = at_the_office.send_and_ignore_cookies(request).await;
        assert_eq!(response.status, 200, "{path}: {response:?}");
        assert!(response.cookies().iter().all(|cookie| !cookie.contains(&token)), "{path}: {response:?}");
        assert_eq!(visitor.get("/look").await.body, "resumed red", "after {path}");
    }
}

/// SECURITY 21.
#[tokio::test]
async fn with_a_key_a_token_under_another_cookie_name_causes_no_store_call() {
    let neighbors = Neighbors::new(Settings::new().secret_key(secret_key(1))).await;
    let (visitor, token) = visitor_of_the_shop(&neighbors).await;
    let before = neighbors.store.count_all();

    let at_the_office = Browser::new(&neighbors.office);
    let looked = look_with(&at_the_office, format!("__Host-office={token}")).await;
    assert_eq!((looked.body.as_str(), looked.cookies()), ("fresh -", vec![]));

    assert_eq!(neighbors.store.count_all(), before);
    assert_eq!(visitor.get("/look").await.body, "resumed red");
}
