//! The user's sessions, in this browser and in others.

use std::time::{Duration, SystemTime};

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
                p.soft { "and " (view.more_devices) " that were used longer ago." }
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
    let name = device.user_agent.as_deref().map_or_else(|| "Unknown browser".to_owned(), name);
    html! {
        li {
            p {
                strong { (name) } " " @if device.is_this_one { span.badge { "this browser" } }
                br;
                @if let Some(address) = device.address { (address) ", " }
                @if device.is_this_one { "in use now" } @else { "last used " (used(view.now, device.last_used_at)) }
                br;
                code { (short) "…" } ", begun " (view.ago(device.created_at))
                br; "idle time left " (view.left_until(device.idle_expires_at))
            }
            form method="post" action="/end" {
                input type="hidden" name="handle" value=(device.handle);
                button.quiet aria-label={ "Sign out " (name) ", " (short) } { "Sign out" }
            }
        }
    }
}

/// When a session was used is known to the minute.
fn used(now: SystemTime, then: SystemTime) -> Markup {
    html! {
        time datetime=(humantime::format_rfc3339_seconds(then)) { (ago(now.duration_since(then).unwrap_or_default())) }
    }
}

fn ago(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    let (count, unit) = match minutes {
        0 => return "just now".to_owned(),
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// "Firefox on Linux", for browsers that name themselves as most do; otherwise the beginning of what they say.
fn name(user_agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name)
    };
    match (find(BROWSERS), find(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        _ => match user_agent.char_indices().nth(MOST_CHARS) {
            Some((end, _)) => format!("{}…", &user_agent[..end]),
            None => user_agent.to_owned(),
        },
    }
}

const MOST_CHARS: usize = 60;

/// Most name others as well, so the order counts.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: &[(&str, &str)] = &[
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_use_is_told_in_its_largest_unit() {
        let words = |seconds| ago(Duration::from_secs(seconds));
        assert_eq!(words(59), "just now");
        assert_eq!(words(60), "1 minute ago");
        assert_eq!(words(3 * 60 + 59), "3 minutes ago");
        assert_eq!(words(3600), "1 hour ago");
        assert_eq!(words(48 * 3600), "2 days ago");
    }

    #[test]
    fn browsers_are_named_in_short_and_everything_else_as_it_names_itself() {
        let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        assert_eq!(
            name("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            "Firefox on Linux"
        );
        assert_eq!(name(&format!("Mozilla/5.0 (Linux; Android 10; K) {chrome}")), "Chrome on Android");
        assert_eq!(name(&format!("Mozilla/5.0 (Windows NT 10.0) {chrome} Edg/140.0.0.0")), "Edge on Windows");
        assert_eq!(name("curl/8.14.1"), "curl/8.14.1");
        assert_eq!(name(&"ü".repeat(60)), "ü".repeat(60));
        assert_eq!(name(&"ü".repeat(61)), "ü".repeat(60) + "…");
    }
}
