//! The demo's page: a pure function from what is known to markup.

mod actions;
mod cookies;
mod devices;
mod session;
mod view;

use maud::{DOCTYPE, Markup, html};

pub(crate) use view::{Cookies, Device, Stored, View};
use view::{clock, milliseconds};

/// Served beside the page, so that its policy can forbid everything inline.
pub(crate) const STYLE: &str = include_str!("pages/style.css");
pub(crate) const SCRIPT: &str = include_str!("pages/page.js");

/// What the page may load: its own style and script, and an icon that is part of it.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
     %3Crect width='16' height='16' rx='4' fill='%237d2248'/%3E\
     %3Cpath d='M6.5 4.2a1.5 1.5 0 1 1 2.1 1.4q-.6.3-.6.9l6 4.8H2l6-4.8' fill='none' stroke='white'/%3E%3C/svg%3E";

/// The page at `/`.
pub(crate) fn page(view: &View) -> Markup {
    let user = view.subject().is_some();
    let main = html! {
        div { (session::ticket(view)) (session::entries(view)) @if user { (clocks(view)) } }
        div {
            @if user { (devices::list(view)) } @else { (actions::sign_in(view)) }
            (actions::list(view))
            // The two columns come out about the same length.
            @if user { (actions::sign_in(view)) } @else { (clocks(view)) }
        }
        (cookies::section(view))
    };
    frame(
        "Your session",
        &html! {
            header {
                div.top { h1 { (mark()) "Cloakroom" } (who(view)) }
                p {
                    "You hand in a coat and get a ticket; the ticket fetches the coat back. The coat is what this site "
                    "remembers about you, the ticket is a cookie. That is a session, and this one is yours."
                }
            }
            @if let Some(notice) = &view.notice { p.notice role="status" { (notice) } }
            main data-now=(milliseconds(view.now)) { (main) }
            footer { (routes()) }
        },
    )
}

/// What a browser shows where another client reads one line of text.
pub(crate) fn failure(title: &str, what: &str) -> Markup {
    frame(
        title,
        &html! {
            header { div.top { p.name { (mark()) "Cloakroom" } } }
            main { section.failure { h1 { (title) } p { (what) } p { a href="/" { "Go to your session" } } } }
        },
    )
}

fn frame(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Cloakroom" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href="/style.css";
                script src="/page.js" defer {}
            }
            body { (body) }
        }
    }
}

/// The icon in the page's own colours.
fn mark() -> Markup {
    html! {
        svg viewBox="1 1.5 14 11" aria-hidden="true" {
            path d="M6.5 4.2a1.5 1.5 0 1 1 2.1 1.4q-.6.3-.6.9l6 4.8H2l6-4.8" {}
        }
    }
}

fn who(view: &View) -> Markup {
    html! {
        @if let Some(user) = view.subject() {
            form.who method="post" action="/sign-out" {
                span { "Signed in as " strong { (user) } }
                button.quiet { "Sign out" }
            }
        } @else {
            p.who { "Not signed in" }
        }
    }
}

fn clocks(view: &View) -> Markup {
    html! {
        section {
            h2 { "Two clocks, in UTC" }
            dl {
                dt { "Server" } dd { time #server-clock { (clock(view.now)) } }
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
