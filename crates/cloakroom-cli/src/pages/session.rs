//! What is known about the session, and what it holds.

use maud::{Markup, html};

use super::{Stored, View};

pub(super) fn ticket(view: &View) -> Markup {
    html! {
        section {
            h2 { "Your session" }
            @match &view.stored {
                Some(stored) => p.ticket {
                    span { "Public handle: names the session, signs nobody in" } code { (stored.handle) }
                },
                None => p {
                    "Nothing is stored for you: a session that holds nothing is never created, and costs no cookie. "
                    "Count or set something, and look again."
                },
            }
            dl {
                @if let Some(stored) = &view.stored { (known(view, stored)) }
                dt { "Status" } dd { span.badge { (view.status.0) } small { (view.status.1) } }
                dt { "Store" } dd { code { (view.store.0) } small { (view.store.1) } }
            }
        }
    }
}

fn known(view: &View, stored: &Stored) -> Markup {
    html! {
        dt { "User" }
        dd {
            @match (&stored.subject, stored.authenticated_at) {
                (Some(subject), Some(then)) => { strong { (subject) } small { "signed in " (view.ago(then)) } }
                (Some(subject), None) => strong { (subject) },
                (None, _) => "nobody, it is anonymous",
            }
        }
        dt { "Created" } dd { (view.ago(stored.created_at)) }
        dt { "Idle time left" }
        dd { (view.left_until(stored.idle_expires_at)) small { "starts again with your activity, at most once a minute" } }
        dt { "Absolute time left" }
        dd { (view.left_until(stored.absolute_expires_at)) small { "nothing extends it" } }
    }
}

pub(super) fn entries(view: &View) -> Markup {
    html! {
        section {
            h2 { "What it holds" }
            @if view.entries.is_empty() {
                p { "Nothing." }
            } @else {
                table {
                    thead { tr { th scope="col" { "Key" } th scope="col" { "Value" } td {} } }
                    tbody {
                        @for (key, value) in &view.entries {
                            tr {
                                td { code { (key) } }
                                td { code { (value) } }
                                td { @if view.stored.is_some() { (remove(key)) } }
                            }
                        }
                    }
                }
            }
            @if view.stored.is_none() && !view.entries.is_empty() {
                p.soft { "Initial values: what reads fall back to. They are stored once they are written." }
            }
            form.fields method="post" action="/set" {
                label { "Key" input name="key" required maxlength="128" autocomplete="off" autocapitalize="none"; }
                label { "Value (JSON or text)" input name="value" autocomplete="off" autocapitalize="none"; }
                button { "Set" }
            }
        }
    }
}

fn remove(key: &str) -> Markup {
    html! {
        form method="post" action="/remove" {
            input type="hidden" name="key" value=(key);
            button.quiet aria-label={ "Remove " (key) } { "Remove" }
        }
    }
}
