use super::HeaderMode::{Append, IfAbsent, Replace};
use super::*;
use crate::error::ErrorKind;

fn lines(headers: impl Iterator<Item = Header>) -> Vec<(&'static str, String, HeaderMode)> {
    headers.map(|Header { name, value, mode }| (name, value.into_owned(), mode)).collect()
}

#[test]
fn a_session_that_was_not_consulted_says_nothing() {
    assert_eq!(lines(Headers::default().into_fields()), []);
}

#[test]
fn a_session_that_was_consulted_makes_the_answer_vary_by_cookie_beside_what_it_varies_by() {
    let headers = Headers { set_cookie: None, vary: true, private: false };
    assert_eq!(lines(headers.into_fields()), [("vary", "Cookie".into(), Append)]);
}

#[test]
fn a_cookie_is_added_to_others_and_forbids_caches_to_keep_it() {
    let headers = Headers { set_cookie: Some("id=1".into()), vary: true, private: false };
    let expected = [
        ("set-cookie", "id=1".into(), Append),
        ("cache-control", "no-store".into(), Replace),
        ("vary", "Cookie".into(), Append),
    ];
    assert_eq!(lines(headers.into_fields()), expected);
}

#[test]
fn a_page_of_a_user_is_private_unless_the_handler_says_otherwise_and_a_cookie_still_forbids_caches_to_keep_it()
 {
    let headers = |cookie: Option<&str>| {
        let headers = Headers { set_cookie: cookie.map(str::to_owned), vary: true, private: true };
        lines(headers.into_fields())
            .into_iter()
            .filter(|(name, ..)| *name == "cache-control")
            .collect::<Vec<_>>()
    };
    assert_eq!(headers(None), [("cache-control", "private".into(), IfAbsent)]);
    assert_eq!(headers(Some("id=1")), [("cache-control", "no-store".into(), Replace)]);
}

#[test]
fn a_failure_is_answered_with_its_status_and_what_may_be_said_of_it() {
    let error = Error::with_detail(ErrorKind::Unavailable, "10.0.0.1 refused");
    let of_handler = lines(error.reply().into_parts().0);
    let reply = Reply::instead(&error);
    assert_eq!(reply.status(), 503);
    let (headers, body) = reply.into_parts();
    let expected = [
        ("content-type", "text/plain; charset=utf-8".into(), Replace),
        ("cache-control", "no-store".into(), Replace),
        ("vary", "Cookie".into(), Append),
        ("retry-after", "1".into(), Replace),
    ];
    assert_eq!(lines(headers), expected);
    let without_vary: Vec<_> = expected.into_iter().filter(|(name, ..)| *name != "vary").collect();
    assert_eq!(of_handler, without_vary, "the adapter adds it");
    assert_eq!(body, "the session store is unavailable");
}

#[test]
fn a_failure_that_will_not_pass_says_not_when_to_come_back() {
    for (kind, status) in [(ErrorKind::Conflict, 409), (ErrorKind::TooLarge, 413), (ErrorKind::Value, 500)] {
        let reply = Reply::failure(&Error::new(kind));
        assert_eq!(reply.status(), status);
        let (headers, _) = reply.into_parts();
        assert!(
            lines(headers).iter().all(|(name, ..)| !["retry-after", "set-cookie"].contains(name)),
            "{kind:?}"
        );
    }
}

#[test]
fn an_expired_session_is_answered_as_the_settings_say_and_its_cookie_removed() {
    let settings = Settings::new().expired_status(440).expired_message("Gone.");
    let reply = Reply::expired(&settings, "id=; Max-Age=0".into());
    assert_eq!(reply.status(), 440);
    let (headers, body) = reply.into_parts();
    let headers = lines(headers);
    assert!(headers.contains(&("set-cookie", "id=; Max-Age=0".into(), Append)), "{headers:?}");
    assert!(headers.contains(&("cache-control", "no-store".into(), Replace)), "{headers:?}");
    assert_eq!(body, "Gone.");
}

#[tokio::test]
async fn a_closing_session_is_a_future_of_its_answer() {
    let waits = Box::pin(async {
        tokio::task::yield_now().await;
        Answer::Keep(Headers { set_cookie: None, vary: true, private: false })
    });
    for closing in [
        Closing::running(waits),
        Closing::ready(Answer::Keep(Headers { set_cookie: None, vary: true, private: false })),
    ] {
        let Answer::Keep(headers) = closing.await else { panic!("not a reply") };
        assert_eq!(lines(headers.into_fields()).len(), 1);
    }
}

#[test]
fn no_debug_form_shows_a_cookie_or_a_body() {
    let headers = || Headers { set_cookie: Some("id=hunter2".into()), vary: true, private: false };
    let header = headers().into_fields().next().unwrap();
    let settings = Settings::new().expired_message("hunter2");
    let reply = || Reply::expired(&settings, "id=hunter2".into());
    let texts = [
        format!("{:?} {:?}", headers(), Answer::Keep(headers())),
        format!("{:?} {:?}", reply(), Answer::Replace(reply())),
        format!("{header:?} {:?}", Closing::ready(Answer::Keep(headers()))),
    ];
    assert!(texts.iter().all(|text| !text.contains("hunter2")), "{texts:?}");
}
