//! The pages. What users wrote goes through [`escaped`].

use cloakroom::{SessionHandle, SessionInfo};
use salvo::prelude::Text;

use crate::describe;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sessions in Salvo</title>
<style>body{font:1rem system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}form{margin:.5rem 0}</style>
"#;

const HOME: &str = r#"<p><a href="/">Home</a></p>"#;

pub(crate) fn hello(user: Option<&str>) -> Text<String> {
    let name = escaped(user.unwrap_or("stranger"));
    let who = match user {
        Some(_) => {
            r#"<p><a href="/account">Your account</a> <a href="/devices">Your sessions</a></p>
        <form method="post" action="/logout"><button>Sign out</button></form>"#
        }
        None => r#"<p><a href="/login">Sign in</a></p>"#,
    };
    page(&format!(
        r#"<h1>Hello, {name}</h1>
        {who}
        <p><a href="/count">Count</a></p>
        <form method="post" action="/reset"><button>Start again</button></form>"#
    ))
}

pub(crate) fn login(problem: &str, user: &str) -> Text<String> {
    let user = escaped(user);
    page(&format!(
        r#"<h1>Sign in</h1>
        <p>{problem} The password is “sesame”.</p>
        <form method="post" action="/login">
        <p><label>Name <input name="user" value="{user}" required maxlength="100"></label></p>
        <p><label>Password <input name="password" type="password" required></label></p>
        <button>Sign in</button>
        </form>{HOME}"#
    ))
}

pub(crate) fn account(user: &str) -> Text<String> {
    let user = escaped(user);
    page(&format!(
        r#"<h1>Your account</h1>
        <p>You are {user}. Only you see this.</p>
        <p><a href="/devices">Your sessions</a></p>{HOME}"#
    ))
}

pub(crate) fn devices(sessions: &[SessionInfo], this: Option<SessionHandle>) -> Text<String> {
    let devices: String = sessions.iter().map(|session| device(session, this)).collect();
    page(&format!(
        r#"<h1>Your sessions</h1>
        <ul>{devices}</ul>
        <form method="post" action="/devices/end-others"><button>Sign out all others</button></form>
        <form method="post" action="/devices/end-all"><button>Sign out everywhere</button></form>{HOME}"#
    ))
}

fn device(session: &SessionInfo, this: Option<SessionHandle>) -> String {
    let handle = session.handle;
    let device = escaped(&describe::device(session.user_agent.as_deref()));
    let address = session.address.map_or("an unknown address".to_owned(), |address| address.to_string());
    let signed_in = describe::ago(session.times.authenticated_at.unwrap_or(session.times.created_at));
    let used = match this == Some(handle) {
        true => "This browser.".to_owned(),
        false => format!("Last used {}.", describe::ago(session.last_used_at)),
    };
    format!(
        r#"<li><strong>{device}</strong>, {address}. {used} Signed in {signed_in}.
        <form method="post" action="/devices/end"><button name="handle" value="{handle}">Sign out</button></form></li>"#
    )
}

fn page(body: &str) -> Text<String> {
    Text::Html(format!("{HEAD}{body}"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
