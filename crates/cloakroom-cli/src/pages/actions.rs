//! What can be done with the session.

use maud::{Markup, html};

use super::View;

pub(super) fn list(view: &View) -> Markup {
    html! {
        section {
            h2 { "What you can do" }
            ul.rows.actions {
                (action("/count", "Count", "Adds one to the key count, exactly once however many tabs do it together."))
                @if view.stored.is_some() {
                    (action("/rotate", "Rotate", "A new cookie for the same session. The old one works on for a grace time, so no parallel request is thrown out."))
                    (action("/expire", "Expire", "Takes the cookie off your browser. The record stays until its time is over."))
                    (action("/destroy", "Destroy", "Ends the session, data and all, for requests under way too. Nothing brings it back; signing out does the same."))
                }
            }
        }
    }
}

fn action(path: &str, name: &str, what: &str) -> Markup {
    html! {
        li {
            form method="post" action=(path) { button.quiet { (name) } }
            p { (what) }
        }
    }
}

pub(super) fn sign_in(view: &View) -> Markup {
    html! {
        section {
            @match view.subject() {
                Some(_) => {
                    h2 { "Sign in again" }
                    p.soft { "Or as somebody else: the cookie changes in any case, and another user's data never carries over." }
                }
                None => {
                    h2 { "Sign in" }
                    p.soft { "Binds the session to a user. The cookie changes, so one planted before is worth nothing; the data stays." }
                }
            }
            form.fields method="post" action="/sign-in" {
                label { "User name, any you like" input name="user" required maxlength="64" autocomplete="username" autocapitalize="none"; }
                button { "Sign in" }
            }
        }
    }
}
