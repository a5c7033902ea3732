//! The example as its visitors see it.

use cloakroom_tests::{Browser, Example, post_form, redirects};

async fn example() -> Example {
    Example::start(env!("CARGO_BIN_EXE_example-actix-web")).await
}

async fn post(browser: &Browser, action: &str, form: &str) {
    let response = browser.send(post_form(&format!("/cart/{action}"), form)).await;
    assert_eq!(redirects(&response), "/cart");
}

/// What is in the cart, and how many orders there are.
async fn shopping(browser: &Browser) -> (String, usize) {
    let page = browser.get("/cart").await.body;
    let (_, cart) = page.split_once("<h2>Your cart</h2><p>").expect("a cart");
    let (cart, rest) = cart.split_once("</p>").expect("its end");
    (cart.to_owned(), rest.matches("<li>").count())
}

#[tokio::test]
async fn it_counts_and_signs_in() {
    example().await.counts_and_signs_in().await;
}

#[test]
fn it_says_what_is_wrong_with_its_port() {
    Example::refuses_a_wrong_port(env!("CARGO_BIN_EXE_example-actix-web"));
}

#[tokio::test]
async fn a_cart_is_filled_changed_and_ordered() {
    let example = example().await;
    let browser = example.browser();
    assert!(browser.get("/cart").await.cookies().is_empty(), "a look around stores nothing");
    post(&browser, "add", "article=Coat").await;
    post(&browser, "add", "article=Coat").await;
    post(&browser, "add", "article=Hat").await;
    assert_eq!(shopping(&browser).await, ("2 Coat, 1 Hat".to_owned(), 0));
    post(&browser, "change", "article=Hat&number=5").await;
    post(&browser, "change", "article=Umbrella&number=4000").await;
    assert_eq!(shopping(&browser).await.0, "2 Coat, 5 Hat, 99 Umbrella");
    post(&browser, "remove", "article=Coat").await;
    post(&browser, "change", "article=Umbrella&number=0").await;
    redirects(&browser.send(post_form("/login", "user=ann&password=sesame")).await);
    assert_eq!(shopping(&browser).await.0, "5 Hat", "a login leaves the cart");
    let unknown = browser.send(post_form("/cart/add", "article=Cloak")).await;
    assert_eq!(unknown.status, 400);
    post(&browser, "check-out", "").await;
    post(&browser, "check-out", "").await;
    assert_eq!(shopping(&browser).await, ("nothing".to_owned(), 1), "a second click orders nothing");
    assert_eq!(shopping(&example.browser()).await, ("nothing".to_owned(), 0), "another visitor");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_tabs_add_at_the_same_time_is_all_there_and_ordered_once() {
    let example = example().await;
    let browser = example.browser();
    post(&browser, "add", "article=Hat").await;
    let many = |action: &'static str, form: &'static str| {
        let tabs: Vec<_> = (0..8)
            .map(|_| {
                let tab = browser.tab();
                tokio::spawn(async move {
                    for _ in 0..5 {
                        post(&tab, action, form).await;
                    }
                })
            })
            .collect();
        async {
            for tab in tabs {
                tab.await.expect("all went well");
            }
        }
    };
    tokio::join!(many("add", "article=Hat"), many("add", "article=Coat"));
    assert_eq!(shopping(&browser).await, ("40 Coat, 41 Hat".to_owned(), 0));
    many("check-out", "").await;
    assert_eq!(shopping(&browser).await, ("nothing".to_owned(), 1));
}
