use actix_web4::body::BoxBody;
use actix_web4::http::StatusCode;
use actix_web4::http::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use actix_web4::{HttpResponse, ResponseError};

use crate::answer::{Header, HeaderMode, Reply};
use crate::error::Error;

impl From<Reply> for HttpResponse {
    fn from(reply: Reply) -> Self {
        let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let (headers, body) = reply.into_parts();
        let mut response = Self::with_body(status, BoxBody::new(body));
        apply(response.headers_mut(), headers);
        response
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    fn error_response(&self) -> HttpResponse {
        self.reply().into()
    }
}

/// Adds these headers.
pub(super) fn apply(map: &mut HeaderMap, headers: impl Iterator<Item = Header>) {
    for Header { name, value, mode } in headers {
        // The engine writes visible ASCII only.
        let Ok(mut value) = HeaderValue::from_str(&value) else { continue };
        let name = HeaderName::from_static(name);
        // A token: not to be printed, nor to be kept in the compression state of HTTP/2 (RFC 7541 §7.1.3).
        value.set_sensitive(name == SET_COOKIE);
        match mode {
            HeaderMode::Append => map.append(name, value),
            HeaderMode::Replace => drop(map.insert(name, value)),
            HeaderMode::IfAbsent if map.contains_key(&name) => {}
            HeaderMode::IfAbsent => drop(map.insert(name, value)),
        }
    }
}
