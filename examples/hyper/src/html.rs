//! How it looks.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};

pub(crate) type Page = Response<Full<Bytes>>;

pub(crate) fn front(user: Option<&str>, flash: Option<&str>) -> Page {
    let flash = flash.map_or(String::new(), |flash| format!("<p><em>{}</em></p>", escape(flash)));
    let name = escape(user.unwrap_or("stranger"));
    let links = match user {
        Some(_) => {
            r#"<a href="/account">Your account</a> <form method="post" action="/logout"><button>Log out</button></form>"#
        }
        None => r#"<a href="/login">Log in</a>"#,
    };
    page(
        StatusCode::OK,
        &format!(
            r#"{flash}<h1>Hello, {name}</h1><p>{links}</p><p><a href="/count">Count</a>
            <form method="post" action="/reset"><button>Start again</button></form></p>"#
        ),
    )
}

pub(crate) fn login(status: StatusCode, problem: &str) -> Page {
    page(
        status,
        &format!(
            r#"<h1>Log in</h1><p>{problem}</p><form method="post" action="/login">
            <label>Name <input name="user" required maxlength="100"></label>
            <label>Password <input name="password" type="password"></label> (it is “sesame”)
            <button>Log in</button></form>"#
        ),
    )
}

pub(crate) fn account(user: &str) -> Page {
    page(StatusCode::OK, &format!("<h1>{}’s account</h1><p>Only you see this.</p>", escape(user)))
}

pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Page {
    response(status, "text/plain; charset=utf-8", text)
}

pub(crate) fn redirect(to: &'static str) -> Page {
    let mut response = text(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    response
}

fn page(status: StatusCode, body: &str) -> Page {
    let page = format!("<!doctype html><meta charset=\"utf-8\"><title>Cloakroom on hyper</title>{body}");
    response(status, "text/html; charset=utf-8", page)
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Page {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// What a user typed must not become part of the page's markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
