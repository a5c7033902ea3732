//! A session in words: which browser has it, and when it was used.

use std::time::{Duration, SystemTime};

/// "Firefox on Linux", for browsers that name themselves as most do; otherwise what they say.
///
/// The text is whatever a stranger sent: the page escapes it, and nothing is decided by it.
pub(crate) fn device(user_agent: Option<&str>) -> String {
    let Some(user_agent) = user_agent else { return "Unknown device".to_owned() };
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name)
    };
    match (find(BROWSERS), find(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        _ => user_agent.to_owned(),
    }
}

/// "3 minutes ago"; more exact than a minute the time of the last use is not.
#[expect(clippy::disallowed_methods, reason = "the page is for now; only the engine has a clock to ask")]
pub(crate) fn ago(then: SystemTime) -> String {
    in_words(SystemTime::now().duration_since(then).unwrap_or_default())
}

fn in_words(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    let (count, unit) = match minutes {
        0 => return "just now".to_owned(),
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

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
    fn browsers_are_named_in_short() {
        let windows = "(Windows NT 10.0; Win64; x64)";
        let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        let safari = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15";
        for (text, name) in [
            ("(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (&format!("{windows} {chrome}"), "Chrome on Windows"),
            (&format!("{windows} {chrome} Edg/140.0.0.0"), "Edge on Windows"),
            (&format!("(Linux; Android 10; K) {chrome}"), "Chrome on Android"),
            (&format!("(iPhone; CPU iPhone OS 18_6 like Mac OS X) {safari}"), "Safari on iPhone"),
            (&format!("(Macintosh; Intel Mac OS X 10_15_7) {safari}"), "Safari on macOS"),
        ] {
            assert_eq!(device(Some(&format!("Mozilla/5.0 {text}"))), name);
        }
    }

    #[test]
    fn what_is_no_browser_known_here_is_named_as_it_names_itself() {
        for text in ["curl/8.14.1", "<script>alert(1)</script>", "Linux", "Firefox/140.0"] {
            assert_eq!(device(Some(text)), text);
        }
        assert_eq!(device(None), "Unknown device");
    }

    #[test]
    fn the_last_use_is_told_in_its_largest_unit() {
        let words = |seconds| in_words(Duration::from_secs(seconds));
        assert_eq!(words(59), "just now");
        assert_eq!(words(60), "1 minute ago");
        assert_eq!(words(3 * 60 + 59), "3 minutes ago");
        assert_eq!(words(3600), "1 hour ago");
        assert_eq!(words(47 * 3600), "1 day ago");
        assert_eq!(words(48 * 3600), "2 days ago");
    }
}
