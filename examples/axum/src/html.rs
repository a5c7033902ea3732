//! How it looks.

use axum::response::Html;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sessions in axum</title>
<style>body{font:1rem system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}form{margin:.5rem 0}</style>
"#;

const HOME: &str = r#"<p><a href="/">Home</a></p>"#;

pub(crate) fn front(user: Option<&str>) -> Html<String> {
    let name = escape(user.unwrap_or("stranger"));
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
        <p><a href="/chat">Chat</a> <a href="/count">Count</a></p>
        <form method="post" action="/reset"><button>Start again</button></form>"#
    ))
}

pub(crate) fn login(problem: &str, user: &str) -> Html<String> {
    let user = escape(user);
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

pub(crate) fn account(user: &str) -> Html<String> {
    let user = escape(user);
    page(&format!(
        r#"<h1>Your account</h1>
        <p>You are {user}. Only you see this.</p>{HOME}"#
    ))
}

pub(crate) fn not_found() -> Html<String> {
    page(&format!("<h1>There is no such page</h1>{HOME}"))
}

/// Messages are put into the page as text, whatever they contain.
pub(crate) fn chat() -> Html<String> {
    let script = r#"<script>
  const form = document.querySelector("form"), note = document.querySelector("[role=status]");
  const signIn = '<a href="/login">Sign in</a> to say something.';
  const source = new EventSource("/chat/messages");
  source.onmessage = event => {
    const line = document.createElement("li");
    line.textContent = event.data;
    document.querySelector("ul").append(line);
  };
  source.addEventListener("ended", () => {
    source.close();
    note.innerHTML = "You have been signed out. " + signIn;
  });
  form.onsubmit = async event => {
    event.preventDefault();
    const answer = await fetch("/chat", { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (answer.status === 401) note.innerHTML = signIn;
    else note.textContent = answer.ok ? "" : await answer.text();
    if (answer.ok) form.reset();
  };
</script>"#;
    page(&format!(
        r#"<h1>Chat</h1>
        <ul></ul>
        <form><input name="text" aria-label="Message" required maxlength="1000" autofocus> <button>Say</button></form>
        <p role="status"></p>{HOME}{script}"#
    ))
}

fn page(body: &str) -> Html<String> {
    Html(format!("{HEAD}{body}"))
}

/// What a user typed must not become part of the page's markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
