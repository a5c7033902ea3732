//! What happens to a session's data: counted, told once, kept over a rotation, gone when destroyed.

use crate::driver::Site;

#[tokio::test]
async fn a_message_is_shown_once() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    assert_eq!(visitor.notice().await, None);
    visitor.set("theme", "dark").await;
    assert_eq!(visitor.notice().await.as_deref(), Some("Set theme."));
    visitor.reload().await;
    assert_eq!(visitor.notice().await, None);
    assert_eq!(visitor.value("theme").await.as_deref(), Some("\"dark\""));

    // This one cannot travel in the session.
    visitor.press("/destroy").await;
    assert_eq!(visitor.notice().await.as_deref(), Some("The session is destroyed, and your cookie is gone."));
    visitor.reload().await;
    assert_eq!(visitor.notice().await, None);
}

#[tokio::test]
async fn the_counter_counts_and_a_reload_counts_nothing() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    assert_eq!(visitor.value("count").await.as_deref(), Some("0"));
    for count in ["1", "2", "3"] {
        visitor.press("/count").await;
        assert_eq!(visitor.value("count").await.as_deref(), Some(count));
    }
    visitor.reload().await;
    assert_eq!(visitor.value("count").await.as_deref(), Some("3"));
    visitor.click("form:has([value=count]) button").await;
    assert_eq!(visitor.value("count").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn rotating_changes_the_cookie_and_keeps_the_visitor_signed_in() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    visitor.sign_in("ada").await;
    let before = visitor.cookie().await;
    visitor.press("/rotate").await;
    let after = visitor.cookie().await;
    assert_ne!(after["value"], before["value"]);
    assert_eq!(visitor.name().await.as_deref(), Some("ada"));
    assert_eq!(visitor.sessions().await, 1, "it is the same session");
}

/// SECURITY 29.
#[tokio::test]
async fn destroying_and_signing_out_end_it_for_every_copy_of_the_cookie() {
    let site = Site::start(&[]);
    let (visitor, thief) = (site.visitor().await, site.visitor().await);
    for (action, message) in [("/destroy", "The session is destroyed"), ("/sign-out", "Signed out.")] {
        visitor.sign_in("ada").await;
        thief.take_over(&visitor.cookie().await).await;
        thief.reload().await;
        assert_eq!(thief.name().await.as_deref(), Some("ada"), "a copied cookie is as good as the first");

        visitor.press(action).await;
        assert!(visitor.notice().await.expect("a message").starts_with(message));
        assert!(visitor.cookies().await.is_empty());
        thief.reload().await;
        assert_eq!(thief.name().await, None);
        assert!(thief.page().await.contains("Nothing is stored for you"));
    }
}

#[tokio::test]
async fn two_tabs_at_once_lose_no_count_and_never_show_the_same_message() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    visitor.sign_in("ada").await;
    let mut other = visitor.new_tab().await;
    for round in 1..=5 {
        // Both send their form as soon as either says so.
        let ready = "window.left = true; new BroadcastChannel('go').onmessage = () => \
                     document.querySelector(\"form[action='/count']\").requestSubmit()";
        visitor.script(ready).await;
        other = visitor.turn_to(other).await;
        visitor.script(ready).await;
        visitor.script("new BroadcastChannel('go').postMessage('now')").await;

        visitor.arrived().await;
        let one = visitor.notice().await;
        other = visitor.turn_to(other).await;
        visitor.arrived().await;
        assert!(one.is_none() || visitor.notice().await != one, "round {round}: {one:?} twice");
        assert_eq!(visitor.name().await.as_deref(), Some("ada"));
    }
    visitor.reload().await;
    assert_eq!(visitor.value("count").await.as_deref(), Some("10"));
}

/// SECURITY 25.
#[tokio::test]
async fn a_tab_goes_on_after_another_one_rotated() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    visitor.sign_in("ada").await;
    let other = visitor.new_tab().await;
    visitor.press("/rotate").await;
    visitor.turn_to(other).await;
    visitor.press("/count").await;
    assert_eq!(visitor.value("count").await.as_deref(), Some("1"));
    assert_eq!(visitor.name().await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn the_time_left_counts_down_in_an_open_page() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    visitor.press("/count").await;
    visitor.script("window.then = document.querySelector('[data-until]').innerText").await;
    visitor.until("return document.querySelector('[data-until]').innerText !== window.then").await;
}
