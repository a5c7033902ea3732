use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses a form that another site's page sends here with our visitor's cookie.
///
/// `SameSite=Lax` does that too, but not from a page on a sibling host, and not in every browser.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    if request.method().is_safe() || came_from_here(request.headers()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "this form was sent by another site\n").into_response()
}

/// What the browser says about the sender. One that says nothing is not a browser, and has no visitor to harm.
fn came_from_here(headers: &HeaderMap) -> bool {
    // Fetch Metadata Request Headers (W3C): browsers send it to https and to localhost.
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = headers.get(HOST).map(|host| host.as_bytes());
    let origin = origin.as_bytes();
    let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
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
    }
}
