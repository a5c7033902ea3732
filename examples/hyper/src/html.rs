//! How it looks.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};

pub(crate) type Page = Response<Full<Bytes>>;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sessions in hyper</title>
<style>body{font:1rem system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}form{margin:.5rem 0}</style>
"#;

const HOME: &str = r#"<p><a href="/">Home</a></p>"#;

pub(crate) fn front(user: Option<&str>, flash: Option<&str>) -> Page {
    let flash = flash.map_or(String::new(), |flash| format!("<p><em>{}</em></p>", escape(flash)));
    let name = escape(user.unwrap_or("stranger"));
    let who = match user {
        Some(_) => {
            r#"<p><a href="/account">Your account</a></p>
        <form method="post" action="/logout"><button>Sign out</button></form>"#
        }
        None => r#"<p><a href="/login">Sign in</a></p>"#,
    };
    let body = format!(
        r#"{flash}<h1>Hello, {name}</h1>
        {who}
        <p><a href="/count">Count</a></p>
        <form method="post" action="/reset"><button>Start again</button></form>"#
    );
    page(StatusCode::OK, &body)
}

pub(crate) fn login(status: StatusCode, problem: &str, user: &str) -> Page {
    let user = escape(user);
    let body = format!(
        r#"<h1>Sign in</h1>
        <p>{problem} The password is “sesame”.</p>
        <form method="post" action="/login">
        <p><label>Name <input name="user" value="{user}" required maxlength="100"></label></p>
        <p><label>Password <input name="password" type="password" required></label></p>
        <button>Sign in</button>
        </form>{HOME}"#
    );
    page(status, &body)
}

pub(crate) fn account(user: &str) -> Page {
    let user = escape(user);
    let body = format!(
        r#"<h1>Your account</h1>
        <p>You are {user}. Only you see this.</p>{HOME}"#
    );
    page(StatusCode::OK, &body)
}

pub(crate) fn not_found() -> Page {
    page(StatusCode::NOT_FOUND, &format!("<h1>There is no such page</h1>{HOME}"))
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
    response(status, "text/html; charset=utf-8", format!("{HEAD}{body}"))
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
