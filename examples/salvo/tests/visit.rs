//! The example as its visitors see it.

use cloakroom_tests::{Browser, Example, post_form, redirects};

async fn example() -> Example {
    Example::start(env!("CARGO_BIN_EXE_example-salvo")).await
}

/// A browser in which this user has signed in.
async fn device(example: &Example, user: &str) -> Browser {
    let browser = example.browser();
    redirects(&browser.send(post_form("/login", &format!("user={user}&password=sesame"))).await);
    browser
}

/// Signs Ann in, in a browser that calls itself this.
async fn sign_in_with(browser: &Browser, user_agent: &str) {
    let form = post_form("/login", "user=ann&password=sesame").header("User-Agent", user_agent);
    redirects(&browser.send(form).await);
}

/// The handles on the page of one's sessions: this device's, and those of the others.
async fn handles(browser: &Browser) -> (String, Vec<String>) {
    let page = browser.get("/devices").await.body;
    let (mut this, mut others) = (None, Vec::new());
    for item in page.split("<li>").skip(1) {
        let (_, rest) = item.split_once(r#"value=""#).expect("a button");
        let handle = rest.split('"').next().unwrap_or_default().to_owned();
        if item.contains("This browser.") {
            assert!(this.replace(handle).is_none(), "{page}");
        } else {
            others.push(handle);
        }
    }
    (this.expect("this device"), others)
}

async fn end(browser: &Browser, handle: &str) -> u16 {
    browser.send(post_form("/devices/end", &format!("handle={handle}"))).await.status
}

async fn is_signed_in(browser: &Browser) -> bool {
    browser.get("/account").await.status == 200
}

#[tokio::test]
async fn it_counts_and_signs_in() {
    example().await.counts_and_signs_in().await;
}

#[test]
fn it_says_what_is_wrong_with_its_port() {
    Example::refuses_a_wrong_port(env!("CARGO_BIN_EXE_example-salvo"));
}

#[tokio::test]
async fn a_user_sees_the_sessions_of_all_devices_and_ends_one() {
    let example = example().await;
    let (laptop, phone, bob) =
        (device(&example, "ann").await, device(&example, "ann").await, device(&example, "bob").await);
    let ((on_laptop, others), (on_phone, _)) = (handles(&laptop).await, handles(&phone).await);
    assert_eq!(others.join(" "), on_phone, "bob's is not on ann's page");

    assert_eq!(end(&laptop, &on_phone).await, 303);
    assert!(!is_signed_in(&phone).await && is_signed_in(&laptop).await && is_signed_in(&bob).await);
    assert_eq!(handles(&laptop).await, (on_laptop.clone(), vec![]));
    assert_eq!(end(&laptop, &on_phone).await, 404, "it has ended");

    let this = laptop.send(post_form("/devices/end", &format!("handle={on_laptop}"))).await;
    assert_eq!(redirects(&this), "/", "there is no list for a stranger");
    assert!(laptop.get("/").await.body.contains("Hello, stranger"));
}

#[tokio::test]
async fn the_page_tells_each_browser_its_address_and_its_last_use() {
    let example = example().await;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    sign_in_with(&example.browser().moved_to("127.0.0.2".parse().unwrap()), firefox).await;
    let here = example.browser();
    sign_in_with(&here, "curl/8.14.1").await;
    let page = here.get("/devices").await.body;
    for line in [
        "<strong>Firefox on Linux</strong>, 127.0.0.2. Last used just now. Signed in just now.",
        "<strong>curl/8.14.1</strong>, 127.0.0.1. This browser. Signed in just now.",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
}

/// The visitor chooses what the field says.
#[tokio::test]
async fn a_user_agent_is_shown_as_text_whatever_it_contains() {
    let example = example().await;
    let hostile = r#"</strong><script>alert("&amp;")</script>"#;
    let browser = example.browser();
    sign_in_with(&browser, hostile).await;
    let page = browser.get("/devices").await.body;
    assert!(!page.contains("<script"), "{page}");
    let escaped = "&lt;/strong&gt;&lt;script&gt;alert(&quot;&amp;amp;&quot;)&lt;/script&gt;";
    assert!(page.contains(&format!("<strong>{escaped}</strong>")), "{page}");
}

#[tokio::test]
async fn all_others_are_ended_and_this_one_stays() {
    let example = example().await;
    let (laptop, phone, bob) =
        (device(&example, "ann").await, device(&example, "ann").await, device(&example, "bob").await);
    assert_eq!(redirects(&phone.post("/devices/end-others").await), "/devices");
    assert!(is_signed_in(&phone).await && !is_signed_in(&laptop).await && is_signed_in(&bob).await);
}

#[tokio::test]
async fn nobody_ends_the_session_of_another_user() {
    let example = example().await;
    let (ann, bob) = (device(&example, "ann").await, device(&example, "bob").await);
    let (handle, _) = handles(&ann).await;
    for guess in [handle.as_str(), "no handle", ""] {
        assert_eq!(end(&bob, guess).await, 404, "{guess}");
    }
    assert_eq!(end(&example.browser(), &handle).await, 401);
    assert!(is_signed_in(&ann).await);
}

#[tokio::test]
async fn signing_out_everywhere_ends_all_sessions_of_this_user_only() {
    let example = example().await;
    let (laptop, phone, bob) =
        (device(&example, "ann").await, device(&example, "ann").await, device(&example, "bob").await);
    assert_eq!(redirects(&phone.post("/devices/end-all").await), "/");
    assert!(!is_signed_in(&phone).await && !is_signed_in(&laptop).await && is_signed_in(&bob).await);
    assert!(phone.get("/").await.body.contains("Hello, stranger"));
}
