use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::pages::{self, Cookies, View};

/// Renders the page outside of the session's layer, where the response's cookie is known.
///
/// A handler answers with a [`View`] among the response's extensions and no body.
pub(super) async fn show(State(seen): State<Seen>, request: Request, next: Next) -> Response {
    let received = received(request.headers(), &seen.name);
    let mut response = next.run(request).await;
    let sent = sent(response.headers(), &seen.name);
    if let Some(line) = &sent {
        seen.note(line);
    }
    if let Some(mut view) = response.extensions_mut().remove::<View>() {
        let sent_before = received.as_ref().and_then(|pair| seen.line_that_set(pair));
        view.cookies = Cookies { name: seen.name.to_string(), received, sent, sent_before };
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        *response.body_mut() = Body::from(pages::page(&view).into_string());
    }
    response
}

/// The `Set-Cookie` lines sent of late, so that a page after a redirect can show the one before it. Tokens are shortened
/// before they get here.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    name: Arc<str>,
    lines: Arc<Mutex<HashMap<String, String>>>,
}

impl Seen {
    /// Looks for cookies of that name.
    pub(super) fn of(cookie_name: &str) -> Self {
        Self { name: cookie_name.into(), lines: Arc::default() }
    }

    fn note(&self, line: &str) {
        let pair = line.split(';').next().unwrap_or_default();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MOST_LINES {
            lines.clear();
        }
        lines.insert(pair.to_owned(), line.to_owned());
    }

    fn line_that_set(&self, pair: &str) -> Option<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(pair).cloned()
    }
}

/// The request's `name=value`, shortened. For the eye only: which cookie counts is the engine's business.
fn received(headers: &HeaderMap, name: &str) -> Option<String> {
    let fields = texts(headers, &COOKIE);
    fields
        .iter()
        .flat_map(|field| field.split(';'))
        .find_map(|pair| shortened(pair.trim_matches([' ', '\t']), name))
}

/// The response's `Set-Cookie` of that name, its value shortened.
fn sent(headers: &HeaderMap, name: &str) -> Option<String> {
    texts(headers, &SET_COOKIE).iter().find_map(|line| shortened(line, name))
}

fn texts(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

/// `name=value; more` with at most eight characters of the value, which reach nowhere near the secret.
fn shortened(line: &str, name: &str) -> Option<String> {
    let rest = line.strip_prefix(name)?.strip_prefix('=')?;
    let (value, attributes) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
    Some(match value.char_indices().nth(8) {
        Some((end, _)) => format!("{name}={}…{attributes}", &value[..end]),
        None => format!("{name}={value}{attributes}"),
    })
}

const MOST_LINES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shortened_and_its_attributes_are_not() {
        let line = "id=0123456789abcdef; Path=/; Secure";
        assert_eq!(shortened(line, "id").as_deref(), Some("id=01234567…; Path=/; Secure"));
        assert_eq!(shortened("id=; Max-Age=0", "id").as_deref(), Some("id=; Max-Age=0"));
        assert_eq!(shortened(line, "i"), None);
    }

    #[test]
    fn the_cookie_is_found_among_others_in_several_fields() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_bytes(b"a=\xE9; b=1").unwrap());
        headers.append(COOKIE, HeaderValue::from_static("idx=2; id=0123456789"));
        assert_eq!(received(&headers, "id").as_deref(), Some("id=01234567…"));
        assert_eq!(received(&headers, "c"), None);
    }

    #[test]
    fn the_line_that_set_a_cookie_is_found_by_what_the_browser_sends_back() {
        let seen = Seen::of("id");
        seen.note("id=01234567…; Path=/");
        assert_eq!(seen.line_that_set("id=01234567…").as_deref(), Some("id=01234567…; Path=/"));
        assert_eq!(seen.line_that_set("id=76543210…"), None);
    }
}
