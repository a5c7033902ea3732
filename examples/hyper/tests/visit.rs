//! The example as its visitors see it.
#![allow(missing_docs, reason = "tests")]

use cloakroom_tests::{Example, post_form, redirects};

async fn example() -> Example {
    Example::start(env!("CARGO_BIN_EXE_example-hyper")).await
}

#[tokio::test]
async fn it_counts_and_signs_in() {
    example().await.counts_and_signs_in().await;
}

#[tokio::test]
async fn a_message_is_shown_once_and_leaves_no_session_behind() {
    let example = example().await;
    let ann = example.browser();
    redirects(&ann.send(post_form("/login", "user=a%3Cb%3E&password=sesame")).await);
    let page = ann.get("/").await.body;
    assert!(page.contains("You are logged in.") && page.contains("Hello, a&lt;b&gt;"), "{page}");
    assert!(!ann.get("/").await.body.contains("You are logged in."));

    redirects(&ann.post("/logout").await);
    assert!(ann.get("/").await.body.contains("You are logged out."));
    assert!(ann.jar().is_empty());
    assert!(!ann.get("/").await.body.contains("You are logged out."));
}
