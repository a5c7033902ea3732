use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::*;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

fn visitor_without_anything() -> View {
    View {
        now: now(),
        notice: None,
        stored: None,
        status: ("fresh".into(), "Your request brought no cookie of ours."),
        entries: [("count".to_owned(), json!(0))].into(),
        devices: Vec::new(),
        more_devices: 0,
        cookies: Cookies { name: "__Host-id".into(), ..Cookies::default() },
        store: ("redb:./cloakroom-demo.redb".into(), "One file; sessions survive a restart."),
    }
}

fn signed_in() -> View {
    let handle = |first: char| String::from(first) + &"3f9ac04e71".repeat(7)[..63];
    let device = |first, is_this_one| Device {
        handle: handle(first),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into()),
        address: Some([192, 0, 2, 7].into()),
        last_used_at: now() - Duration::from_secs(190),
        created_at: now() - Duration::from_secs(3_700),
        idle_expires_at: now() + Duration::from_secs(1_798),
        is_this_one,
    };
    View {
        notice: Some("Signed in as ada.".into()),
        stored: Some(Stored {
            handle: handle('a'),
            subject: Some("ada".into()),
            authenticated_at: Some(now() - Duration::from_secs(5)),
            created_at: now() - Duration::from_secs(3_700),
            idle_expires_at: now() + Duration::from_secs(1_798),
            absolute_expires_at: now() + Duration::from_secs(82_700),
        }),
        status: ("resumed".into(), "Your cookie named a session, and here it is."),
        entries: [
            ("count".to_owned(), json!(7)),
            ("cart".to_owned(), json!({"items": [{"id": 12, "title": "A coat with <brass> buttons"}]})),
        ]
        .into(),
        devices: vec![device('a', true), device('b', false)],
        cookies: Cookies {
            name: "__Host-id".into(),
            received: Some("__Host-id=Qm9vaD…".into()),
            sent: None,
            sent_before: Some("__Host-id=Qm9vaD…; Path=/; Secure; HttpOnly; SameSite=Lax".into()),
        },
        ..visitor_without_anything()
    }
}

#[test]
fn a_visitor_without_a_session_is_told_that_nothing_is_stored() {
    let page = page(&visitor_without_anything()).into_string();
    assert!(page.contains("Nothing is stored for you"));
    assert!(page.contains("no cookie of the name <code>__Host-id</code>"));
    assert!(!page.contains("action=\"/destroy\""), "there is nothing to destroy");
}

#[test]
fn values_are_shown_as_text_whatever_they_contain() {
    let page = page(&signed_in()).into_string();
    assert!(page.contains("A coat with &lt;brass&gt; buttons"));
    assert!(!page.contains("<brass>"));
}

#[test]
fn the_list_of_sessions_tells_browser_address_and_last_use() {
    let mut view = signed_in();
    view.devices[1].user_agent = None;
    view.devices[1].address = None;
    let page = page(&view).into_string();
    let here = "<strong>Firefox on Linux</strong> <span class=\"badge\">this browser</span><br>192.0.2.7, in use now<br>";
    assert!(page.contains(here), "{page}");
    let time = "<time datetime=\"2026-11-18T11:03:30Z\">3 minutes ago</time>";
    assert!(page.contains(&format!("<strong>Unknown browser</strong> <br>last used {time}<br>")), "{page}");
}

/// The visitor chooses what the field says.
#[test]
fn a_user_agent_is_shown_as_text_whatever_it_contains() {
    let mut view = signed_in();
    view.devices[1].user_agent = Some("\"><script>alert(1)</script>".into());
    let page = page(&view).into_string();
    assert!(!page.contains("<script>"), "{page}");
    assert!(page.contains("<strong>&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;</strong>"), "{page}");
    assert!(
        page.contains("aria-label=\"Sign out &quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;, b3f9ac04\""),
        "{page}"
    );
}

#[test]
fn every_change_is_a_form_that_posts() {
    let page = page(&signed_in()).into_string();
    for action in
        ["set", "remove", "count", "rotate", "sign-in", "sign-out", "expire", "destroy", "end", "end-others"]
    {
        assert!(page.contains(&format!("method=\"post\" action=\"/{action}\"")), "no form for /{action}");
    }
}

#[test]
fn every_attribute_of_the_cookie_is_explained() {
    let page = page(&signed_in()).into_string();
    for part in ["__Host-id=Qm9vaD…", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(page.contains(&format!("<dt><code>{part}</code></dt><dd>")), "{part} is not explained");
    }
    assert!(page.contains("<dt>no <code>Max-Age</code></dt>"));
}

#[test]
fn the_time_left_is_there_without_the_script() {
    let page = page(&signed_in()).into_string();
    assert!(page.contains("data-until=\"1795001798000\">29 min 58 s</time>"), "{page}");
}

#[test]
fn nothing_in_the_page_is_inline() {
    let pages = [page(&visitor_without_anything()), page(&signed_in()), failure("Failed", "It is broken.")];
    for page in pages.map(Markup::into_string) {
        for inline in [" style=", "<style", " onclick=", "<script>"] {
            assert!(!page.contains(inline), "{inline} is against our content security policy");
        }
    }
}

#[test]
fn a_failure_is_told_as_text_whatever_it_contains() {
    let page = failure("Not Found", "no field `<b>`").into_string();
    assert!(
        page.contains("<title>Not Found · Cloakroom</title>") && page.contains("<h1>Not Found</h1>"),
        "{page}"
    );
    assert!(page.contains("no field `&lt;b&gt;`"), "{page}");
}
