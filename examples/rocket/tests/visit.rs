//! The example as its visitors see it.

use cloakroom_tests::{Browser, Example, post_form, redirects};

async fn example() -> Example {
    Example::start(env!("CARGO_BIN_EXE_example-rocket")).await
}

/// Sends a form; the page to which it leads is not asked for yet.
async fn submit(browser: &Browser, path: &str, form: &str) {
    let response = browser.send(post_form(path, form)).await;
    assert_eq!(redirects(&response), "/notes");
}

async fn notes(browser: &Browser) -> String {
    let page = browser.get("/notes").await;
    assert_eq!(page.status, 200);
    page.body
}

#[tokio::test]
async fn it_counts_and_signs_in() {
    example().await.counts_and_signs_in().await;
}

#[tokio::test]
async fn a_message_is_shown_once_by_the_page_after_the_redirect() {
    let example = example().await;
    let (ann, bob) = (example.browser(), example.browser());
    submit(&ann, "/notes", "text=milk+%26+%3Cb%3E").await;
    assert!(!notes(&bob).await.contains("milk"), "another visitor");
    let page = notes(&ann).await;
    assert!(
        page.contains("Added: milk &amp; &lt;b&gt;") && page.contains("<li>milk &amp; &lt;b&gt;"),
        "{page}"
    );
    let page = notes(&ann).await;
    assert!(!page.contains("Added") && page.contains("<li>milk"), "{page}");

    submit(&ann, "/notes/remove", "text=milk+%26+%3Cb%3E").await;
    let page = notes(&ann).await;
    assert!(page.contains("Removed: milk &amp;") && !page.contains("<li>"), "{page}");

    submit(&ann, "/notes", "text=bread").await;
    let other = ann.tab();
    let (here, there) = tokio::join!(notes(&ann), notes(&other));
    assert!(here.contains("Added") != there.contains("Added"), "one of two tabs: {here} {there}");
    assert!(bob.get("/notes").await.cookies().is_empty(), "a look stores nothing");
}

#[tokio::test]
async fn what_was_entered_wrongly_is_there_to_be_corrected_and_nothing_is_added() {
    let example = example().await;
    let ann = example.browser();
    let long = format!("{}%22", "x".repeat(40));
    for (entered, shown) in [("+", r#"value="""#.to_owned()), (&long, format!("{}&quot;", "x".repeat(40)))] {
        submit(&ann, "/notes", &format!("text={entered}")).await;
        let page = notes(&ann).await;
        assert!(page.contains("1 to 40") && page.contains(&shown) && !page.contains("<li>"), "{page}");
    }
    let page = notes(&ann).await;
    assert!(!page.contains("1 to 40") && !page.contains("xxx"), "{page}");
}

#[tokio::test]
async fn who_is_not_signed_in_gets_the_form_to_do_so() {
    let response = example().await.browser().get("/account").await;
    assert_eq!((response.status, response.header("cache-control")), (401, Some("no-store")));
    assert!(response.body.contains("Sign in first."), "{}", response.body);
}
