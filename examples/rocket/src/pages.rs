//! The pages. A real application would have templates.

use rocket::response::content::RawHtml;

use crate::flash::Flash;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sessions in Rocket</title>
<style>body{font:1rem system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}form{margin:.5rem 0}</style>
"#;

const HOME: &str = r#"<p><a href="/">Home</a></p>"#;

pub(crate) fn hello(user: Option<&str>) -> RawHtml<String> {
    let name = escaped(user.unwrap_or("stranger"));
    let who = match user {
        Some(_) => {
            r#"<p><a href="/account">Your account</a></p>
        <form method="post" action="/logout"><button>Sign out</button></form>"#
        }
        None => r#"<p><a href="/login">Sign in</a></p>"#,
    };
    page(&format!(
        r#"<h1>Hello, {name}</h1>
        {who}
        <p><a href="/notes">Notes</a> <a href="/count">Count</a></p>
        <form method="post" action="/reset"><button>Start again</button></form>"#
    ))
}

pub(crate) fn login(problem: &str, user: &str) -> RawHtml<String> {
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

pub(crate) fn account(user: &str) -> RawHtml<String> {
    let user = escaped(user);
    page(&format!(
        r#"<h1>Your account</h1>
        <p>You are {user}. Only you see this.</p>{HOME}"#
    ))
}

pub(crate) fn notes(notes: &[String], flash: &Flash) -> RawHtml<String> {
    let item = |note: &String| {
        let note = escaped(note);
        format!(
            r#"<li>{note} <form method="post" action="/notes/remove"><button name="text" value="{note}">Remove</button></form></li>"#
        )
    };
    let items: String = notes.iter().map(item).collect();
    let (message, entered) = (escaped(&flash.message), escaped(&flash.entered));
    page(&format!(
        r#"<h1>Notes</h1>
<p role="status">{message}</p>
<form method="post" action="/notes"><input name="text" aria-label="Note" value="{entered}"> <button>Add</button></form>
<ul>{items}</ul>{HOME}"#
    ))
}

fn page(body: &str) -> RawHtml<String> {
    RawHtml(format!("{HEAD}{body}"))
}

/// Text as it may stand in HTML, in the value of an attribute too.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
