//! The user's sessions, in this browser and in others.

use maud::{Markup, html};

use super::{Device, View};

pub(super) fn list(view: &View) -> Markup {
    html! {
        section {
            h2 { "Your sessions" }
            ul.rows {
                @for device in &view.devices { (entry(view, device)) }
            }
            @if view.more_devices > 0 {
                p.soft { "and " (view.more_devices) " older ones." }
            }
            @if view.devices.len() > 1 {
                form method="post" action="/end-others" { button.quiet { "Sign out everywhere else" } }
            } @else {
                p.soft { "Sign in with the same name in another browser, or in a private window, and it appears here." }
            }
        }
    }
}

fn entry(view: &View, device: &Device) -> Markup {
    let short = device.handle.get(..8).unwrap_or_default();
    html! {
        li {
            p {
                code { (short) "…" } " " @if device.is_this_one { span.badge { "this one" } }
                br;
                "begun " (view.ago(device.created_at)) br; "idle time left " (view.left_until(device.idle_expires_at))
            }
            form method="post" action="/end" {
                input type="hidden" name="handle" value=(device.handle);
                button.quiet aria-label={ "Sign out " (short) } { "Sign out" }
            }
        }
    }
}
