use super::*;
use crate::error::ErrorKind;

fn lines(headers: impl Iterator<Item = Header>) -> Vec<(&'static str, String, bool)> {
    headers.map(|Header { name, value, replaces }| (name, value.into_owned(), replaces)).collect()
}

#[test]
fn a_session_that_was_not_consulted_says_nothing() {
    assert_eq!(lines(Headers::default().into_fields()), []);
}

#[test]
fn a_session_that_was_consulted_makes_the_answer_vary_by_cookie_beside_what_it_varies_by() {
    let headers = Headers { set_cookie: None, vary: true };
    assert_eq!(lines(headers.into_fields()), [("vary", "Cookie".into(), false)]);
}

#[test]
fn a_cookie_is_added_to_others_and_forbids_caches_to_keep_it() {
    let headers = Headers { set_cookie: Some("id=1".into()), vary: true };
    let expected = [
        ("set-cookie", "id=1".into(), false),
        ("cache-control", "no-store".into(), true),
        ("vary", "Cookie".into(), false),
    ];
    assert_eq!(lines(headers.into_fields()), expected);
}

#[test]
fn a_failure_is_answered_with_its_status_and_what_may_be_said_of_it() {
    let error = Error::with_detail(ErrorKind::Unavailable, "10.0.0.1 refused");
    let of_handler = lines(error.reply().into_parts().0);
    let reply = Reply::instead(&error);
    assert_eq!(reply.status(), 503);
    let (headers, body) = reply.into_parts();
    let expected = [
        ("content-type", "text/plain; charset=utf-8".into(), true),
        ("cache-control", "no-store".into(), true),
        ("vary", "Cookie".into(), false),
        ("retry-after", "1".into(), true),
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
    assert!(headers.contains(&("set-cookie", "id=; Max-Age=0".into(), false)), "{headers:?}");
    assert!(headers.contains(&("cache-control", "no-store".into(), true)), "{headers:?}");
    assert_eq!(body, "Gone.");
}

#[tokio::test]
async fn a_closing_session_is_a_future_of_its_answer() {
    let waits = Box::pin(async {
        tokio::task::yield_now().await;
        Answer::Keep(Headers { set_cookie: None, vary: true })
    });
    for closing in
        [Closing::running(waits), Closing::ready(Answer::Keep(Headers { set_cookie: None, vary: true }))]
    {
        let Answer::Keep(headers) = closing.await else { panic!("not a reply") };
        assert_eq!(lines(headers.into_fields()).len(), 1);
    }
}

#[test]
fn no_debug_form_shows_a_cookie_or_a_body() {
    let headers = || Headers { set_cookie: Some("id=hunter2".into()), vary: true };
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
