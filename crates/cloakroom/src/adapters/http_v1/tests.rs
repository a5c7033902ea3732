use super::*;

/// In HTTP/2 a request may have a body without Content-Length.
#[test]
fn a_request_with_an_unsafe_method_and_no_length_has_a_body_from_http_2_on() {
    for (version, method, length, expected) in [
        (Version::HTTP_2, "POST", None, true),
        (Version::HTTP_2, "DELETE", None, true),
        (Version::HTTP_2, "GET", None, false),
        (Version::HTTP_2, "POST", Some("0"), false),
        (Version::HTTP_2, "POST", Some("10"), true),
        (Version::HTTP_2, "GET", Some("10"), true),
        (Version::HTTP_11, "POST", None, false),
        (Version::HTTP_11, "POST", Some("10"), true),
    ] {
        let mut request = Request::builder().version(version).method(method);
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        assert_eq!(
            RequestHead::has_body(&request.body(()).unwrap()),
            expected,
            "{version:?} {method} {length:?}"
        );
    }
}
