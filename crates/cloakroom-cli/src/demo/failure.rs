use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::pages;

/// Makes a page of a failure for those who read pages. Scripts keep the one line of text.
pub(super) async fn in_a_page(request: Request, next: Next) -> Response {
    let wanted = reads_pages(request.headers());
    let response = next.run(request).await;
    let status = response.status();
    if !wanted || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let text = to_bytes(body, LONGEST).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let page = pages::failure(status.canonical_reason().unwrap_or("Failed"), &explanation(status, &text));
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Response::from_parts(head, Body::from(page.into_string()))
}

fn reads_pages(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")))
}

/// The line of text as a sentence, or what there is to say where there is none.
fn explanation(status: StatusCode, text: &str) -> String {
    let text = match (text.trim(), status) {
        ("", StatusCode::NOT_FOUND) => "there is no page at this address",
        ("", StatusCode::METHOD_NOT_ALLOWED) => "this address takes what a form sends, and shows nothing",
        (text, _) => text.trim_end_matches('.'),
    };
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_pages_and_scripts_get_text() {
        let asks_for = |accept| HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        assert!(reads_pages(&asks_for("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")));
        assert!(!reads_pages(&asks_for("*/*")));
        assert!(!reads_pages(&HeaderMap::new()));
    }

    #[test]
    fn a_page_says_whole_sentences() {
        let say = |text| explanation(StatusCode::NOT_FOUND, text);
        assert_eq!(say(""), "There is no page at this address.");
        assert_eq!(say("busy; try again\n"), "Busy; try again.");
        assert_eq!(say("It is there."), "It is there.");
        assert_eq!(explanation(StatusCode::IM_A_TEAPOT, ""), "");
    }
}
