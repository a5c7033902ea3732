use std::net::IpAddr;

use cloakroom::adapter::RequestHead;

/// The head of a GET request with nothing but `Cookie` fields, of any bytes, and of any size: also what no HTTP server
/// would let through.
#[derive(Clone, Debug, Default)]
pub struct CookieFields(Vec<Vec<u8>>);

impl CookieFields {
    /// A request with these fields.
    pub fn new(fields: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        Self(fields.into_iter().map(Into::into).collect())
    }
}

impl RequestHead for CookieFields {
    fn method(&self) -> &str {
        "GET"
    }

    fn peer(&self) -> Option<IpAddr> {
        None
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        if name == "cookie" {
            self.0.iter().for_each(|field| visit(field));
        }
    }
}
