//! The example as its visitors see it.

use cloakroom_tests::{Browser, Example, post_form, redirects};

async fn example() -> Example {
    Example::start(env!("CARGO_BIN_EXE_example-poem")).await
}

/// Sends a form, and answers the page that comes then.
async fn submit(browser: &Browser, path: &str, form: &str) -> String {
    let response = browser.send(post_form(path, form)).await;
    browser.get(redirects(&response)).await.body
}

#[tokio::test]
async fn it_counts_and_signs_in() {
    example().await.counts_and_signs_in().await;
}

#[tokio::test]
async fn a_booking_goes_back_and_forth_through_its_steps_and_is_made_once() {
    let example = example().await;
    let (ann, bob) = (example.browser(), example.browser());
    let page = submit(&ann, "/booking/table", "day=2030-05-01&seats=2").await;
    assert!(page.contains("2. You"), "{page}");
    assert_eq!(redirects(&ann.get("/booking/confirmation").await), "/booking/guest");
    let page = submit(&ann, "/booking/guest", "name=Ann+%3Cb%3E&wishes=a+%22window%22").await;
    assert!(page.contains("for 2 on 2030-05-01, for Ann &lt;b&gt;. a &quot;window&quot;"), "{page}");

    let back = ann.get("/booking/table").await.body;
    assert!(back.contains(r#"value="2030-05-01""#) && back.contains(r#"value="2""#), "{back}");
    let page = submit(&ann, "/booking/table", "day=2030-05-01&seats=3").await;
    assert!(
        page.contains(r#"value="Ann &lt;b&gt;""#) && page.contains(r#"value="a &quot;window&quot;""#),
        "{page}"
    );
    assert!(ann.get("/booking/confirmation").await.body.contains("for 3 on"));
    assert!(!bob.get("/booking/table").await.body.contains("2030"), "another visitor");

    for click in ["first", "second"] {
        let page = submit(&ann, "/booking/confirmation", "").await;
        assert!(page.contains("Booked") && page.contains("for 3 on"), "{click}: {page}");
    }
    assert_eq!(redirects(&ann.get("/booking/confirmation").await), "/booking/table", "the next begins empty");
}

#[tokio::test]
async fn a_booking_is_lost_when_its_session_ends() {
    let example = example().await;
    let ann = example.browser();
    for end in ["/reset", "/logout"] {
        redirects(&ann.send(post_form("/login", "user=ann&password=sesame")).await);
        submit(&ann, "/booking/table", "day=2030-05-01&seats=2").await;
        assert!(ann.get("/booking/table").await.body.contains("2030-05-01"));
        redirects(&ann.post(end).await);
        assert!(!ann.get("/booking/table").await.body.contains("2030-05-01"), "{end}");
        assert_eq!(redirects(&ann.get("/booking/done").await), "/booking/confirmation", "{end}");
    }
}
