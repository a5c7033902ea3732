//! Nothing hard to read or to use, in light and dark, on a phone and on a desk.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::driver::Site;
use crate::visitor::Visitor;

#[tokio::test]
async fn a_visitors_page_fits_and_can_be_read_in_every_light_on_every_screen() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    look_at(&visitor, "visitor").await;
    visitor.press("/count").await;
    // As it is when the two clocks differ.
    visitor.script("document.getElementById('skew').className = 'warning'").await;
    look_at(&visitor, "counted").await;
    visitor.press("/destroy").await;
    look_at(&visitor, "destroyed").await;
    assert_eq!(visitor.console().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_users_page_fits_and_can_be_read_in_every_light_on_every_screen() {
    let site = Site::start(&[]);
    let (visitor, other, another) = (site.visitor().await, site.visitor().await, site.visitor().await);
    other
        .call_itself(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Version/18.6 Mobile/15E148 Safari/604.1",
        )
        .await;
    other.sign_in("ada").await;
    // As long as one is kept, and with no space to break at.
    another.call_itself(&"no-browser-you-know/".repeat(15)).await;
    another.sign_in("ada").await;
    visitor.set("cart", "{\"items\": [{\"id\": 12, \"title\": \"A coat with brass buttons\"}]}").await;
    visitor.sign_in("ada").await;
    look_at(&visitor, "signed-in").await;
    assert_eq!(visitor.console().await, Vec::<Value>::new());
}

#[tokio::test]
async fn long_words_fit_and_can_be_read_in_every_light_on_every_screen() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    visitor.sign_in(&"Wolfeschlegelstein".repeat(4)[..64]).await;
    look_at(&visitor, "long-name").await;
    visitor.set("words", &"no space to break at is in the next word ".repeat(12)).await;
    visitor.set("numbers", &format!("[{}1]", "1234567890,".repeat(60))).await;
    visitor.set(&"a_key_as_long_as_one_may_be_".repeat(5)[..128], &"nospacestobreakat".repeat(20)).await;
    look_at(&visitor, "long-values").await;
    assert_eq!(visitor.console().await, Vec::<Value>::new());
}

#[tokio::test]
async fn pages_of_failures_fit_and_can_be_read_in_every_light_on_every_screen() {
    let site = Site::start(&[]);
    let visitor = site.visitor().await;
    for (path, what) in [
        ("/nowhere", "There is no page at this address."),
        ("/set", "This address takes what a form sends"),
        ("/login?user=", "A user name has 1 to 255 bytes."),
    ] {
        visitor.open(path).await;
        assert!(visitor.page().await.contains(what), "{path}");
        look_at(&visitor, &format!("failure-{}", path.split('?').next().unwrap().trim_start_matches('/')))
            .await;
    }
    visitor.go_elsewhere_and_post_to("/count").await;
    look_at(&visitor, "failure-elsewhere").await;
    visitor.click("a[href='/']").await;
    assert_eq!(visitor.value("count").await.as_deref(), Some("0"));
}

/// Looks at the page as it is. Where `CLOAKROOM_PICTURES` names a folder, somebody wants to look as well.
async fn look_at(visitor: &Visitor, name: &str) {
    let pictures = std::env::var_os("CLOAKROOM_PICTURES");
    for light in ["light", "dark"] {
        visitor.prefer(light).await;
        for (screen, width, height) in [("phone", 390, 844), ("desktop", 1280, 800)] {
            visitor.resize(width, height).await;
            let complaints = visitor.script_with(include_str!("look.js"), vec![json!(width)]).await;
            if let Some(folder) = &pictures {
                let path = Path::new(folder).join(format!("{name}-{screen}-{light}.png"));
                fs::write(path, visitor.picture(width).await).expect("a folder to write to");
            }
            assert_eq!(complaints, json!([]), "{name}, {screen}, {light}");
        }
    }
}
