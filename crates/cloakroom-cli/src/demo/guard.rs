use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN, REFERER};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses a change that another site's page has our visitor's browser ask for.
///
/// `SameSite=Lax` keeps the cookie off other sites' forms, but not off their links, nor off a page on a sibling host.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    if came_from_here(request.headers()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "another site's page asked for this; open / and do it there\n").into_response()
}

/// What the browser says about the sender. One that says nothing is a script, or a browser told to keep quiet.
fn came_from_here(headers: &HeaderMap) -> bool {
    // Fetch Metadata Request Headers (W3C): browsers send it to https and to localhost.
    if let Some(site) = headers.get("sec-fetch-site") {
        // `none` is a bookmark or the address bar: no page can bring that about.
        return site == "same-origin" || site == "none";
    }
    let Some(sender) = headers.get(ORIGIN).or_else(|| headers.get(REFERER)) else { return true };
    let host = headers.get(HOST).map(|host| host.as_bytes());
    let sender = sender.as_bytes();
    let address = sender.strip_prefix(b"https://").or_else(|| sender.strip_prefix(b"http://"));
    let authority = address.and_then(|address| address.split(|byte| *byte == b'/').next());
    authority.is_some() && authority == host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<const N: usize>(fields: [(&'static str, &'static str); N]) -> HeaderMap {
        fields.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn our_own_forms_and_tools_without_a_browser_are_let_through() {
        assert!(came_from_here(&headers([("sec-fetch-site", "same-origin")])));
        assert!(came_from_here(&headers([("sec-fetch-site", "none")])));
        assert!(came_from_here(&headers([("referer", "http://a.test:81/page"), ("host", "a.test:81")])));
        assert!(came_from_here(&headers([("origin", "http://a.test:81"), ("host", "a.test:81")])));
        assert!(came_from_here(&headers([("host", "a.test")])));
    }

    #[test]
    fn forms_of_other_sites_are_refused() {
        assert!(!came_from_here(&headers([("sec-fetch-site", "cross-site")])));
        assert!(!came_from_here(&headers([("sec-fetch-site", "same-site")])));
        assert!(!came_from_here(&headers([("origin", "http://b.test"), ("host", "a.test")])));
        assert!(!came_from_here(&headers([("origin", "null"), ("host", "a.test")])));
        assert!(!came_from_here(&headers([("origin", "null")])));
        assert!(!came_from_here(&headers([("referer", "http://b.test/a.test"), ("host", "a.test")])));
    }
}
