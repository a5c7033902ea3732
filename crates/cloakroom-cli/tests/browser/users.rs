//! Signing in and out, and the list of one's sessions.

use crate::driver::Site;

/// SECURITY 8: the cookie is gone.
#[tokio::test]
async fn a_visitor_signs_in_and_out_with_the_keyboard_alone() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    assert_eq!(visitor.name().await, None);
    visitor.walk_to("input[name=user]").await;
    visitor.arrive(visitor.press_keys("ada\u{E007}")).await;
    assert_eq!(visitor.name().await.as_deref(), Some("ada"));
    assert_eq!(visitor.notice().await.as_deref(), Some("Signed in as ada."));

    visitor.walk_to("form[action='/sign-out'] button").await;
    visitor.arrive(visitor.press_keys(" ")).await;
    assert_eq!(visitor.name().await, None);
    assert!(visitor.notice().await.expect("a message").starts_with("Signed out."));
    assert!(visitor.cookies().await.is_empty());
}

#[tokio::test]
async fn signing_in_keeps_what_the_visitor_had_gathered() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    visitor.set("cart", "[\"coat\"]").await;
    visitor.sign_in("ada").await;
    assert_eq!(visitor.value("cart").await.as_deref(), Some("[\"coat\"]"));
    visitor.sign_in("bob").await;
    assert_eq!(visitor.name().await.as_deref(), Some("bob"));
    assert_eq!(visitor.value("cart").await, None, "bob never sees what ada had");
}

/// SECURITY 34.
#[tokio::test]
async fn a_user_signs_the_other_browser_out_from_the_list() {
    let site = Site::start(&[]);
    let (here, there, stranger) = (site.visitor().await, site.visitor().await, site.visitor().await);
    there.sign_in("grace").await;
    assert_eq!(there.sessions().await, 1);
    stranger.sign_in("bob").await;
    here.sign_in("grace").await;
    assert_eq!(here.sessions().await, 2);

    here.click("li:not(:has(.badge)) > form[action='/end'] button").await;
    assert_eq!(here.notice().await.as_deref(), Some("Signed out there."));
    assert_eq!(here.sessions().await, 1);
    there.reload().await;
    assert_eq!(there.name().await, None);
    assert!(!there.page().await.contains("grace"));
    stranger.reload().await;
    assert_eq!(stranger.name().await.as_deref(), Some("bob"));
}

/// SECURITY 59.
#[tokio::test]
async fn a_user_sees_which_browsers_are_signed_in_and_what_they_call_themselves_is_text() {
    let site = Site::start(&[]);
    let (here, there) = (site.visitor().await, site.visitor().await);
    there.call_itself("<img src=x onerror=\"document.title='taken over'\">").await;
    there.sign_in("ada").await;
    here.sign_in("ada").await;
    let list = here.text("ul.rows").await.expect("a list");
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines[..2], ["Chrome on Linux this browser", "127.0.0.1, in use now"], "{list}");
    let other =
        lines.iter().position(|line| line.starts_with("<img src=x onerror=")).expect("as it calls itself");
    assert_eq!(lines[other + 1], "127.0.0.1, last used just now", "{list}");
    assert_eq!(
        here.script("return document.title + document.images.length").await,
        "Your session · Cloakroom0"
    );
}

/// SECURITY 30.
#[tokio::test]
async fn a_user_signs_out_everywhere_else() {
    let site = Site::start(&[]);
    let (here, there) = (site.visitor().await, site.visitor().await);
    there.sign_in("ada").await;
    here.sign_in("ada").await;
    here.press("/end-others").await;
    assert_eq!(here.notice().await.as_deref(), Some("Signed out of 1 other session."));
    assert_eq!(here.name().await.as_deref(), Some("ada"));
    // A form of a page that is out of date does nothing, and says so.
    there.press("/rotate").await;
    assert!(there.notice().await.expect("a message").starts_with("There was no session"));
    assert_eq!(there.name().await, None);
}

/// The demo says `Cache-Control: no-store` with every answer. Without it, Chromium shows the page as it was.
#[tokio::test]
async fn the_back_button_shows_no_signed_in_page_after_a_sign_out() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    visitor.sign_in("grace").await;
    visitor.open("/whoami").await;
    assert_eq!(visitor.page().await, "grace");
    visitor.open("/").await;
    assert_eq!(visitor.name().await.as_deref(), Some("grace"));
    visitor.press("/sign-out").await;

    visitor.back().await;
    assert_eq!(visitor.name().await, None);
    assert!(!visitor.page().await.contains("grace"));
    visitor.back().await;
    assert_eq!(visitor.page().await, "nobody");
}

#[tokio::test]
async fn another_sites_form_changes_nothing() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    visitor.sign_in("ada").await;
    visitor.go_elsewhere_and_post_to("/sign-out").await;
    assert!(visitor.page().await.contains("Another site's page asked for this"));
    visitor.open("/").await;
    assert_eq!(visitor.name().await.as_deref(), Some("ada"));
}
