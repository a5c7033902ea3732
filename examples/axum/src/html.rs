//! How it looks.

use axum::response::Html;

pub(crate) fn front(user: Option<&str>) -> Html<String> {
    let name = escape(user.unwrap_or("stranger"));
    let links = match user {
        Some(_) => {
            r#"<a href="/account">Your account</a> <form method="post" action="/logout"><button>Log out</button></form>"#
        }
        None => r#"<a href="/login">Log in</a>"#,
    };
    page(&format!(
        r#"<h1>Hello, {name}</h1><p>{links}</p><p><a href="/chat">Chat</a> <a href="/count">Count</a>
        <form method="post" action="/reset"><button>Start again</button></form></p>"#
    ))
}

pub(crate) fn login(problem: &str) -> Html<String> {
    page(&format!(
        r#"<h1>Log in</h1><p>{problem}</p><form method="post" action="/login">
        <label>Name <input name="user" required maxlength="100"></label>
        <label>Password <input name="password" type="password"></label> (it is “sesame”)
        <button>Log in</button></form>"#
    ))
}

pub(crate) fn account(user: &str) -> Html<String> {
    page(&format!("<h1>{}’s account</h1><p>Only you see this.</p>", escape(user)))
}

/// Messages are put into the page as text, whatever they contain.
pub(crate) fn chat() -> Html<&'static str> {
    Html(
        r#"<!doctype html><meta charset="utf-8"><title>Cloakroom on axum</title><h1>Chat</h1><ul></ul>
<form><input name="text" required maxlength="1000" autofocus> <button>Say</button></form><p></p>
<script>
  const form = document.querySelector("form"), note = document.querySelector("p");
  const source = new EventSource("/chat/messages");
  source.onmessage = event => {
    const line = document.createElement("li");
    line.textContent = event.data;
    document.querySelector("ul").append(line);
  };
  source.addEventListener("ended", () => { source.close(); note.textContent = "You have been logged out."; });
  form.onsubmit = async event => {
    event.preventDefault();
    const answer = await fetch("/chat", { method: "POST", body: new URLSearchParams(new FormData(form)) });
    note.textContent = answer.status === 401 ? "Log in to say something." : answer.ok ? "" : await answer.text();
    if (answer.ok) form.reset();
  };
</script>"#,
    )
}

fn page(body: &str) -> Html<String> {
    Html(format!("<!doctype html><meta charset=\"utf-8\"><title>Cloakroom on axum</title>{body}"))
}

/// What a user typed must not become part of the page's markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
