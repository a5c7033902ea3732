//! The cookie on its way here and back, with every attribute explained.

use maud::{Markup, html};

use super::{Cookies, View};

pub(super) fn section(view: &View) -> Markup {
    let cookies = &view.cookies;
    html! {
        section.wide {
            h2 { "The cookie" }
            div.halves {
                (travelled(cookies))
                @if let Some(line) = cookies.sent.as_ref().or(cookies.sent_before.as_ref()) { (explained(line)) }
            }
        }
    }
}

fn travelled(cookies: &Cookies) -> Markup {
    html! {
        div {
            h3 { "This request brought" }
            @match &cookies.received {
                Some(received) => p.line { code { "Cookie: " (received) } },
                None => p { "no cookie of the name " code { (cookies.name) } "." },
            }
            h3 { "This response sends" }
            @match &cookies.sent {
                Some(sent) => p.line { code { "Set-Cookie: " (sent) } },
                None => p { "none: it is sent only when your browser's copy has to change." },
            }
            @if let (None, Some(before)) = (&cookies.sent, &cookies.sent_before) {
                h3 { "Your browser has it from" }
                p.line { code { "Set-Cookie: " (before) } }
            }
            p.soft { "Tokens are shortened here: whoever has a whole one has the session." }
        }
    }
}

fn explained(line: &str) -> Markup {
    html! {
        div {
            h3 { "What each part means" }
            dl.parts {
                @for part in line.split("; ") {
                    dt { code { (part) } } dd { (meaning(part)) }
                }
                @for absent in absent(line) { dt { "no " code { (absent) } } dd { (meaning_of_absence(absent)) } }
            }
        }
    }
}

/// What a part of a `Set-Cookie` line tells the browser.
fn meaning(part: &str) -> &'static str {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    match (name, value) {
        ("Path", "/") => "Sent to every page of this host.",
        ("Path", _) => "Sent to pages below this path only.",
        ("Domain", _) => "Sent to this domain and all its subdomains.",
        ("Secure", _) => "Sent over https only; browsers count http://localhost as safe.",
        ("HttpOnly", _) => "Scripts in the page cannot read it.",
        ("SameSite", "Strict") => "Sent only from our own pages.",
        ("SameSite", "Lax") => {
            "From other sites it is sent with plain links, never with forms or embedded requests."
        }
        ("SameSite", _) => "Sent along from other sites too.",
        ("Max-Age", "0") => "Take it away now.",
        ("Max-Age", _) => "Kept for that many seconds, over a restart of the browser too.",
        (_, "") => "The name with nothing in it: this removes the cookie.",
        (name, _) if name.starts_with("__Host-") => {
            "The name and the token. The prefix __Host- makes the browser insist on Secure, Path=/ and no Domain, so a \
             subdomain cannot plant one. The token is random and means nothing by itself."
        }
        _ => "The name and the token, which is random and means nothing by itself.",
    }
}

/// Attributes that a line leaves out on purpose.
fn absent(line: &str) -> impl Iterator<Item = &'static str> {
    let has = |name: &str| line.split("; ").any(|part| part.split('=').next() == Some(name));
    ["Domain", "Max-Age"].into_iter().filter(move |name| !has(name)).collect::<Vec<_>>().into_iter()
}

fn meaning_of_absence(attribute: &str) -> &'static str {
    match attribute {
        "Domain" => "Sent to this host alone, not to its subdomains.",
        _ => "Forgotten when the browser is closed. When the session ends is the server's decision anyway.",
    }
}
