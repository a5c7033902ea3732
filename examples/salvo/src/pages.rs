//! The pages. What users wrote goes through [`escaped`].

use std::time::SystemTime;

use cloakroom::{Handle, SessionInfo};
use salvo::prelude::Text;

pub(crate) fn hello(user: Option<&str>) -> Text<String> {
    let name = escaped(user.unwrap_or("stranger"));
    let who = match user {
        None => r#"<a href="/login">Sign in</a>"#,
        Some(_) => {
            r#"<a href="/account">Your account</a> <form method="post" action="/logout"><button>Sign out</button></form>"#
        }
    };
    page(&format!(
        r#"<h1>Hello, {name}</h1>
        <p>{who}</p>
        <p><a href="/count">Count</a></p>
        <form method="post" action="/reset"><button>Forget everything</button></form>"#
    ))
}

pub(crate) fn login(problem: &str) -> Text<String> {
    page(&format!(
        r#"<h1>Sign in</h1>
        <p>{problem}</p>
        <form method="post" action="/login">
        <p><label>Name <input name="user" required></label></p>
        <p><label>Password <input name="password" type="password" required></label> It is “sesame”.</p>
        <button>Sign in</button>
        </form>"#
    ))
}

pub(crate) fn account(user: &str) -> Text<String> {
    page(&format!(
        r#"<h1>Your account</h1>
        <p>You are {}.</p>
        <p><a href="/devices">Your sessions</a> <a href="/">Back</a></p>"#,
        escaped(user)
    ))
}

pub(crate) fn devices(sessions: &[SessionInfo], this: Option<Handle>) -> Text<String> {
    let devices: String = sessions.iter().map(|session| device(session, this)).collect();
    page(&format!(
        r#"<h1>Your sessions</h1>
        <ul>{devices}</ul>
        <form method="post" action="/devices/end-all"><button>Sign out everywhere</button></form>
        <p><a href="/account">Back</a></p>"#
    ))
}

#[expect(clippy::disallowed_methods, reason = "the page is for now; only the engine has a clock to ask")]
fn device(session: &SessionInfo, this: Option<Handle>) -> String {
    let handle = session.handle;
    let signed_in = session.times.authenticated_at.unwrap_or(session.times.created_at);
    let minutes = SystemTime::now().duration_since(signed_in).unwrap_or_default().as_secs() / 60;
    let which = if this == Some(handle) { "This device" } else { "Another device" };
    format!(
        r#"<li>{which}, signed in {minutes} minutes ago.
        <form method="post" action="/devices/end"><button name="handle" value="{handle}">End</button></form></li>"#
    )
}

fn page(body: &str) -> Text<String> {
    Text::Html(format!(
        r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Cloakroom in Salvo</title><body>{body}</body></html>"#
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
