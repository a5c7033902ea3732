use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use http::{Request, Response};

use super::Jar;

/// For requests and responses of the [`http`] crate, as sent over HTTPS.
#[cfg_attr(docsrs, doc(cfg(feature = "http_v1")))]
impl Jar {
    /// Gives the request the cookies that fit its path.
    ///
    /// # Panics
    /// If there are control characters in one, which browsers refuse.
    pub fn add_to<B>(&self, request: &mut Request<B>) {
        if let Some(cookies) = self.cookie_header(request.uri().path(), true) {
            let cookies = HeaderValue::try_from(cookies).expect("cookies without control characters");
            request.headers_mut().insert(COOKIE, cookies);
        }
    }

    /// Keeps the cookies in the answer to a request for a page in the top folder.
    ///
    /// # Panics
    /// If a browser would drop one without a word; says why.
    pub fn keep_from<B>(&mut self, response: &Response<B>) {
        for field in response.headers().get_all(SET_COOKIE) {
            let field = field.to_str().expect("a cookie of visible characters");
            if let Err(why) = self.receive(field, "/", true) {
                panic!("a browser would not keep this cookie: {why}");
            }
        }
    }
}
