//! The pages. A real application would have templates.

use rocket::response::content::RawHtml;

use crate::notes::Flash;

pub(crate) fn hello(user: Option<&str>) -> RawHtml<String> {
    let links = r#"<p><a href="/count">count</a> <a href="/account">account</a> <a href="/notes">notes</a></p>
<form method="post" action="/reset"><button>Forget everything</button></form>"#;
    let (name, sign) = match user {
        None => ("stranger".into(), r#"<p><a href="/login">Sign in</a></p>"#),
        Some(user) => {
            (escaped(user), r#"<form method="post" action="/logout"><button>Sign out</button></form>"#)
        }
    };
    page(&format!("<h1>Hello, {name}</h1>\n{links}\n{sign}"))
}

pub(crate) fn login(message: &str) -> RawHtml<String> {
    page(&format!(
        r#"<h1>Sign in</h1>
<p>{message}</p>
<form method="post" action="/login">
<p><label>Name <input name="user" required></label></p>
<p><label>Password <input name="password" type="password" required></label> It is sesame.</p>
<button>Sign in</button>
</form>"#
    ))
}

pub(crate) fn account(user: &str) -> RawHtml<String> {
    page(&format!("<h1>Account</h1>\n<p>You are {}.</p>", escaped(user)))
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
<form method="post" action="/notes"><input name="text" value="{entered}"><button>Add</button></form>
<ul>{items}</ul>"#
    ))
}

fn page(body: &str) -> RawHtml<String> {
    RawHtml(format!("<!doctype html>\n<title>Rocket</title>\n{body}\n<p><a href=\"/\">Home</a></p>\n"))
}

/// Text as it may stand in HTML, in the value of an attribute too.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
