use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maud::{Markup, html};
use serde_json::Value;

/// Everything the page shows.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) now: SystemTime,
    /// Said once, above everything.
    pub(crate) notice: Option<String>,
    /// None while the store holds nothing for this visitor.
    pub(crate) stored: Option<Stored>,
    /// Why the session is what it is: a word, and what it means.
    pub(crate) status: (String, &'static str),
    pub(crate) entries: BTreeMap<String, Value>,
    /// The user's sessions, this one among them; empty without a user.
    pub(crate) devices: Vec<Device>,
    /// How many sessions the user has beyond those.
    pub(crate) more_devices: usize,
    pub(crate) cookies: Cookies,
    /// Which store it is, and what that means for the sessions.
    pub(crate) store: (String, &'static str),
}

/// What the record says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) handle: String,
    pub(crate) subject: Option<String>,
    pub(crate) authenticated_at: Option<SystemTime>,
    pub(crate) created_at: SystemTime,
    pub(crate) idle_expires_at: SystemTime,
    pub(crate) absolute_expires_at: SystemTime,
}

/// One of the user's sessions.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) handle: String,
    /// As the browser sent it: any text.
    pub(crate) user_agent: Option<String>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) last_used_at: SystemTime,
    pub(crate) created_at: SystemTime,
    pub(crate) idle_expires_at: SystemTime,
    pub(crate) is_this_one: bool,
}

/// The session's cookie as it travelled, tokens shortened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cookies {
    pub(crate) name: String,
    /// `name=value` as this request brought it.
    pub(crate) received: Option<String>,
    /// The `Set-Cookie` of this very response.
    pub(crate) sent: Option<String>,
    /// The `Set-Cookie` that gave the browser what it sent now, if this process sent it.
    pub(crate) sent_before: Option<String>,
}

impl View {
    pub(crate) fn subject(&self) -> Option<&str> {
        self.stored.as_ref()?.subject.as_deref()
    }

    /// The time left until `end`; the script counts it down.
    pub(crate) fn left_until(&self, end: SystemTime) -> Markup {
        let left = end.duration_since(self.now).unwrap_or_default();
        html! { time data-until=(milliseconds(end)) { (in_words(left)) } }
    }

    /// How long ago that was.
    pub(crate) fn ago(&self, then: SystemTime) -> Markup {
        html! {
            time datetime=(humantime::format_rfc3339_seconds(then)) {
                (in_words(self.now.duration_since(then).unwrap_or_default())) " ago"
            }
        }
    }
}

/// Date and time in UTC; page.js writes it the same way.
pub(super) fn clock(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', "")
}

/// Since the Unix epoch, as scripts count.
pub(super) fn milliseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// The two largest units; page.js says it the same way.
fn in_words(duration: Duration) -> String {
    let s = duration.as_secs();
    match (s / 86400, s / 3600 % 24, s / 60 % 60) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, m) => format!("{m} min {} s", s % 60),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_their_two_largest_units() {
        let words = |seconds| in_words(Duration::from_secs(seconds));
        assert_eq!(words(0), "0 s");
        assert_eq!(words(61), "1 min 1 s");
        assert_eq!(words(3600 * 23 + 59 * 60 + 59), "23 h 59 min");
        assert_eq!(words(86400 * 3 + 3600), "3 d 1 h");
    }
}
