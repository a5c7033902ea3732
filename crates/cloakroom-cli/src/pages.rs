//! The demo's page: a pure function from what is known to markup.

mod actions;
mod cookies;
mod devices;
mod session;
mod view;

use maud::{DOCTYPE, Markup, html};

pub(crate) use view::{Cookies, Device, Stored, View, milliseconds};

/// Served beside the page, so that its policy can forbid everything inline.
pub(crate) const STYLE: &str = include_str!("pages/style.css");
pub(crate) const SCRIPT: &str = include_str!("pages/page.js");

/// What the page may load: its own style and script, and an icon that is part of it.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
     %3Crect width='16' height='16' rx='4' fill='%237d2248'/%3E\
     %3Cpath d='M8 3.5a1.5 1.5 0 1 1 1 1.4V6l5 4.5H2L7 6' fill='none' stroke='white'/%3E%3C/svg%3E";

/// The page at `/`.
pub(crate) fn page(view: &View) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Cloakroom: your session" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href="/style.css";
                script src="/page.js" defer {}
            }
            body data-now=(milliseconds(view.now)) {
                header {
                    h1 { "Cloakroom" }
                    p {
                        "You hand in a coat and get a ticket; the ticket fetches the coat back. The coat is what this site "
                        "remembers about you, the ticket is a cookie. That is a session, and this one is yours."
                    }
                }
                @if let Some(notice) = &view.notice { p.notice role="status" { (notice) } }
                main {
                    div { (session::ticket(view)) (session::entries(view)) }
                    div { (actions::list(view)) @if view.subject().is_some() { (devices::list(view)) } }
                    (cookies::section(view))
                    (clocks(view))
                }
                footer { (routes()) }
            }
        }
    }
}

fn clocks(view: &View) -> Markup {
    html! {
        section.wide {
            h2 { "Two clocks" }
            dl {
                dt { "Server" } dd { time #server-clock { (humantime::format_rfc3339_seconds(view.now)) } }
                dt { "Your browser" } dd { time #browser-clock { "not known without JavaScript" } }
            }
            p #skew role="status" {}
        }
    }
}

fn routes() -> Markup {
    let routes = ["/count", "/login?user=ada", "/whoami", "/logout", "/reset", "/healthz"];
    html! {
        p {
            "The same in plain text, for scripts: "
            @for (at, route) in routes.iter().enumerate() { @if at > 0 { ", " } a href=(route) { code { (route) } } }
            "."
        }
    }
}

#[cfg(test)]
mod tests;
