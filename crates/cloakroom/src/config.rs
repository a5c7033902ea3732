//! Every setting, its default, and its check.

mod duration;
mod initializer;
mod subject_limit;

use std::time::Duration;

use serde::Deserialize;

pub use self::initializer::Initializer;
pub use self::subject_limit::SubjectLimit;
use crate::client_address::TrustedProxy;
use crate::cookie::SameSite;
use crate::error::ConfigError;
use crate::options::options;
use crate::token::SecretKey;
use crate::value::depth;

options! {
    /// How sessions behave.
    ///
    /// Every setting has a default that is right for a site served over HTTPS; write down what differs:
    ///
    /// ```
    /// use std::time::Duration;
    /// use cloakroom::{Locking, Settings};
    ///
    /// let settings = Settings::new().idle_timeout(Duration::from_secs(30 * 60)).locking(Locking::Explicit);
    /// ```
    ///
    /// Settings also read from any `serde` format under the same names, with durations as text (`"30m"`, `"12h"`,
    /// `"1day 6h"`) or as whole seconds. A name that is no setting is an error.
    ///
    /// [`SessionManager::new`](crate::SessionManager::new) checks them all.
    #[derive(Clone, Debug, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct Settings {
        /// Name of the cookie. The prefix `__Host-` makes browsers insist that it was set by this very host over HTTPS
        /// (RFC 6265bis §4.1.3.2); it excludes a `cookie_domain`, another `cookie_path` and plain HTTP.
        /// Defaults to `__Host-id`.
        pub cookie_name: String = "__Host-id".into(),
        /// Sends the cookie to this domain and all below it, instead of to this host alone. Every one of those hosts
        /// then reads it. Defaults to none.
        pub cookie_domain: Option<String> = None,
        /// Sends the cookie below this path only. This is no protection against other paths of the same host.
        /// Defaults to `/`.
        pub cookie_path: String = "/".into(),
        /// Whether requests that other sites start carry the cookie. `Lax` sends it when a visitor follows a link or
        /// comes back from a sign-in elsewhere, and not with other sites' forms. Defaults to `Lax`.
        pub cookie_same_site: SameSite = SameSite::Lax,
        /// Keeps the cookie when the browser is closed, for the rest of the session's absolute time. Single sessions
        /// can ask for it with [`Session::remember`](crate::Session::remember). Defaults to false.
        pub persistent: bool = false,
        /// Leaves `Secure` off the cookie, so that it also travels unencrypted, where anybody on the way can take it
        /// over. Needs a `cookie_name` without a prefix. For development on a host name other than `localhost`, where
        /// Chromium and curl take `Secure` cookies over plain HTTP as well. Defaults to false.
        pub danger_allow_plain_http: bool = false,
        /// Leaves `HttpOnly` off the cookie, so that scripts in the page read it. Defaults to false.
        pub danger_allow_script_access: bool = false,

        /// Ends a session that was not used for this long. Lowered, it counts for stored sessions from their next request.
        /// Defaults to 1 hour.
        #[serde(with = "duration")]
        pub idle_timeout: Duration = HOUR,
        /// Ends a session this long after it began, or after its last sign-in, however busy it is: at most 400 days.
        /// Defaults to 24 hours (NIST SP 800-63B-4, AAL2).
        #[serde(with = "duration")]
        pub absolute_timeout: Duration = 24 * HOUR,
        /// `idle_timeout` of a session without a user, until its cookie has come back once. Where `idle_timeout` is
        /// shorter, that counts. Defaults to 30 minutes.
        #[serde(with = "duration")]
        pub anonymous_idle_timeout: Duration = Duration::from_secs(30 * 60),
        /// How long the secret before a rotation still works once the new one has been presented: longer than the slowest
        /// request, at most 1 hour. Defaults to 30 seconds.
        #[serde(with = "duration")]
        pub grace: Duration = Duration::from_secs(30),
        /// A request with a dead cookie is late if it began before its session was ended or its secret replaced, or less
        /// than this after: it may have been sent before. A late request has an empty session, saves nothing and sets no
        /// cookie. At most 10 minutes. Defaults to 10 seconds.
        #[serde(with = "duration")]
        pub late_window: Duration = Duration::from_secs(10),
        /// The same for a request with a body, which a proxy may hold back until it is complete: from `late_window` to 10
        /// minutes. Defaults to 5 minutes.
        #[serde(with = "duration")]
        pub late_window_upload: Duration = Duration::from_secs(5 * 60),
        /// How long after a sign-in [`Session::remember`](crate::Session::remember) may still be called, at most 24 hours.
        /// Defaults to 15 minutes.
        #[serde(with = "duration")]
        pub remember_within: Duration = Duration::from_secs(15 * 60),
        /// Treats a visitor whose session has expired as a new one. If false, such a request is answered with
        /// `expired_message` and the cookie is removed; likewise one whose session was ended before the request began,
        /// or is not stored, for what is over is removed after a while. Defaults to true.
        pub ignore_expiry: bool = true,
        /// The answer to a request with an expired session, where `ignore_expiry` is false.
        /// Defaults to `Your session has expired.`
        pub expired_message: String = "Your session has expired.".into(),
        /// Its status, 400 to 599. Defaults to 401.
        pub expired_status: u16 = 401,

        /// Lets a session move between client addresses, as phones do all day. If false, a session whose client address
        /// has changed is treated like an expired one; where the adapter does not know the peer's address, every call
        /// on a session then fails. Sessions that began before it was set are bound to no address. Defaults to true.
        pub ignore_change_ip: bool = true,
        /// The proxies in front of this application, as addresses or CIDR blocks. Forwarding headers are believed from
        /// these alone. Defaults to none.
        pub trusted_proxies: Vec<TrustedProxy> = Vec::new(),
        /// The one header in which those proxies pass the client's address on: `X-Forwarded-For`, `Forwarded` (RFC
        /// 7239), or one that holds a single address. Defaults to `X-Forwarded-For`.
        pub client_ip_header: String = "X-Forwarded-For".into(),
        /// The header in which the last of those proxies says when a request arrived there, such as `X-Request-Start`:
        /// seconds, milliseconds or microseconds since the Unix epoch, with or without decimals and `t=`, as `t=${msec}`
        /// of nginx. It counts for requests whose secret was replaced while they were under way, such as an upload that
        /// the proxy collects. What cannot be read, is in the future, or is more than 1 hour ago is not believed. Needs
        /// `trusted_proxies`. Defaults to none.
        pub request_start_header: Option<String> = None,
        /// Keeps with each session which browser used it from where, for lists of a user's sessions: the request's
        /// `User-Agent`, up to 256 bytes, and the client's address. Both are personal data. They are stored when a session
        /// begins, when a user signs in, and with whatever else is saved; turned off, they go with a session's next write.
        /// Behind proxies it needs `trusted_proxies`; where the address is not known, there is none.
        /// Defaults to false.
        pub record_client: bool = false,

        /// Signs tokens and keys the hashes under which sessions are stored, so that forged cookies are refused without
        /// asking the store. At least 32 random bytes as base64 or hexadecimal text (`openssl rand -base64 32`).
        /// Setting it first, or removing it, signs everybody out. Defaults to none.
        pub secret_key: Option<SecretKey> = None,
        /// Keys that were `secret_key` before: sessions that began under them go on.
        /// Removing one ends its sessions. Defaults to none.
        pub previous_secret_keys: Vec<SecretKey> = Vec::new(),

        /// What keys hold that nothing was written to. Not stored. Defaults to nothing.
        pub initializer: Initializer = Initializer::default(),
        /// Largest size of what a session holds, at most 16 MiB: its keys, its values as JSON, and 5 bytes for each.
        /// Limits writes that make a session grow: what was stored under a higher limit is read, and may shrink. Defaults
        /// to 65,536.
        pub max_record_bytes: usize = 64 * 1024,
        /// The same for a session without a user: 256 bytes to 16 MiB. Where `max_record_bytes` is less, that counts.
        /// Defaults to 8,192.
        pub anonymous_max_bytes: usize = 8 * 1024,
        /// Largest number of keys in a session, at most 32,767. Limits writes that make a session grow, as
        /// `max_record_bytes` does. Defaults to 256.
        pub max_keys: usize = 256,
        /// Longest key in bytes, at most 255. Defaults to 128.
        pub max_key_bytes: usize = 128,
        /// How deep arrays and objects may be nested in a value, at most 127. What is nested deeper can be neither
        /// written nor read. Defaults to 64.
        pub max_depth: usize = 64,

        /// Which requests have a session to themselves. Defaults to [`Locking::ByMethod`].
        pub locking: Locking = Locking::ByMethod,
        /// Longest wait for a session that other requests use, at most 1 hour; then the answer is 503.
        /// Defaults to 10 seconds.
        #[serde(with = "duration")]
        pub lock_timeout: Duration = Duration::from_secs(10),
        /// How many requests of this process may wait for one session, at least 1; further ones are answered 503 at
        /// once. Defaults to 128.
        pub max_lock_waiters: usize = 128,
        /// How long a lock outlives its process on a store that several processes share, 100 milliseconds to 1 hour. It
        /// is renewed while the request runs. Defaults to 10 seconds.
        #[serde(with = "duration")]
        pub lease_ttl: Duration = Duration::from_secs(10),
        /// For how long a lock is renewed; a request that takes longer continues without it, and saves nothing more once
        /// another has locked the session or written. From `lease_ttl` to 24 hours. Defaults to 5 minutes.
        #[serde(with = "duration")]
        pub lease_limit: Duration = Duration::from_secs(5 * 60),
        /// What happens when a request wrote a key that it had read, and another request changed that key in between.
        /// Defaults to [`OnConflict::Reject`].
        pub on_conflict: OnConflict = OnConflict::Reject,

        /// Longest wait for one answer of the store, 1 millisecond to 1 hour. Defaults to 2 seconds.
        #[serde(with = "duration")]
        pub store_timeout: Duration = Duration::from_secs(2),
        /// Longest wait for the store in one request, all calls together: from `store_timeout` to 1 hour.
        /// Defaults to 5 seconds.
        #[serde(with = "duration")]
        pub store_budget: Duration = Duration::from_secs(5),
        /// Time between two sweeps for expired sessions, give or take a tenth; zero for none, where something else
        /// calls [`SessionManager::purge_expired`](crate::SessionManager::purge_expired). Defaults to 5 minutes.
        #[serde(with = "duration")]
        pub sweep_interval: Duration = Duration::from_secs(5 * 60),

        /// Longest time until [`Session::ended`](crate::Session::ended) notices the end of a session that another process has
        /// ended, on stores that do not tell; at most, each session that is watched is loaded once in this time. 100
        /// milliseconds to 1 hour. Defaults to 60 seconds.
        #[serde(with = "duration")]
        pub watch_interval: Duration = Duration::from_secs(60),

        /// How many sessions one subject may have, at least 1; `None` or `"none"` for no limit. A number needs a store that
        /// lists the sessions of a subject. Defaults to 100 where the store lists them, and to no limit elsewhere.
        pub subject_limit: SubjectLimit = SubjectLimit::Default,
        /// What a sign-in beyond `subject_limit` does. Defaults to [`OnSubjectLimit::EndLeastRecentlyUsed`].
        pub on_subject_limit: OnSubjectLimit = OnSubjectLimit::EndLeastRecentlyUsed,
        /// How many sessions without a user may begin in one second and process, at least 1; the request that would begin
        /// one more fails with [`AnonymousRate`](crate::ErrorKind::AnonymousRate), 503 with `Retry-After: 1`, before anything is
        /// written. Sign-ins are not counted. It protects a shared store, which evicts nothing, from a flood of visitors who
        /// never come back. Defaults to no limit.
        pub anonymous_rate: Option<u32> = None,
        /// What happens when a request that is not late presents the secret before the current one after it has stopped
        /// working: it may have been stolen.
        /// Defaults to [`OnReuse::Ignore`].
        pub on_reuse: OnReuse = OnReuse::Ignore,
    }
}

/// Which requests have a session to themselves.
///
/// Whatever is chosen, no acknowledged change is ever lost: locking orders requests, it does not protect data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Locking {
    /// Requests with an unsafe method (all but GET, HEAD, OPTIONS and TRACE; RFC 9110 §9.2.1), from their first access
    /// to their end. The others read a snapshot: they never wait and never make others wait.
    #[default]
    ByMethod,
    /// Every request, from its first access to its end.
    Implicit,
    /// Every request, from before the handler runs.
    Early,
    /// Only what calls [`Session::lock`](crate::Session::lock).
    Explicit,
}

/// What happens when a request wrote a key that it had read, and another request changed that key in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnConflict {
    /// Nothing is saved and the answer is 409.
    #[default]
    Reject,
    /// The later write wins.
    Overwrite,
}

/// What a sign-in beyond `subject_limit` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnSubjectLimit {
    /// Ends the subject's least recently used sessions, once the new one is stored, with a `warn` event. What counts is when
    /// they expire unless they are used. Of those that expire at about the same time (activity is noted once a minute),
    /// those go first that were not used since they signed in.
    #[default]
    #[serde(alias = "end_oldest")]
    EndLeastRecentlyUsed,
    /// Fails.
    Refuse,
}

/// What happens when a secret is used after it has stopped working, by a request that is not late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnReuse {
    /// Its holder is a new visitor.
    #[default]
    Ignore,
    /// The session ends, for whoever holds the current secret too.
    End,
}

impl Settings {
    /// Whether something may have to happen before a handler runs; see
    /// [`OpenSession::prepare`](crate::adapter::OpenSession::prepare).
    pub(crate) fn loads_early(&self) -> bool {
        self.locking == Locking::Early || !self.ignore_expiry || !self.ignore_change_ip
    }

    /// Checks what can be checked here; the cookie's attributes and the keys are checked where they are used.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.check_lifetimes()?;
        self.check_sizes()?;
        self.check_waits()?;
        if !(400..=599).contains(&self.expired_status) {
            return Err(ConfigError::new(
                "expired_status",
                self.expired_status,
                "choose one from 400 to 599",
            ));
        }
        let start = self.request_start_header.iter().map(|header| ("request_start_header", header));
        for (name, header) in [("client_ip_header", &self.client_ip_header)].into_iter().chain(start) {
            if header.is_empty() || !header.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                return Err(ConfigError::new(name, header, "this is not the name of a header"));
            }
        }
        if let Some(header) = &self.request_start_header
            && self.trusted_proxies.is_empty()
        {
            let reason = "it is believed from trusted_proxies alone, and there are none";
            return Err(ConfigError::new("request_start_header", header, reason));
        }
        if self.subject_limit == SubjectLimit::AtMost(0) {
            return Err(ConfigError::new("subject_limit", 0, "nobody could sign in; choose at least 1"));
        }
        if self.anonymous_rate == Some(0) {
            return Err(ConfigError::new(
                "anonymous_rate",
                0,
                "no visitor could begin a session; choose at least 1",
            ));
        }
        for (key, value) in self.initializer.iter() {
            if key.len() > self.max_key_bytes {
                let reason = format!("a key has 1 to max_key_bytes = {} bytes", self.max_key_bytes);
                return Err(ConfigError::new("initializer", key, reason));
            }
            if value.len() > self.max_record_bytes {
                return Err(ConfigError::new("initializer", key, "its value exceeds max_record_bytes"));
            }
            if depth(value) > self.max_depth {
                let reason = format!("its value is nested more than max_depth = {} deep", self.max_depth);
                return Err(ConfigError::new("initializer", key, reason));
            }
        }
        Ok(())
    }

    fn check_lifetimes(&self) -> Result<(), ConfigError> {
        within("idle_timeout", self.idle_timeout, SECOND, MAX_LIFETIME)?;
        within("absolute_timeout", self.absolute_timeout, SECOND, MAX_LIFETIME)?;
        within("anonymous_idle_timeout", self.anonymous_idle_timeout, SECOND, MAX_LIFETIME)?;
        within("grace", self.grace, SECOND, HOUR)?;
        within("late_window", self.late_window, Duration::ZERO, LONGEST_WINDOW)?;
        within("late_window_upload", self.late_window_upload, self.late_window, LONGEST_WINDOW)?;
        within("remember_within", self.remember_within, Duration::ZERO, 24 * HOUR)?;
        if self.idle_timeout > self.absolute_timeout {
            let (idle, absolute) = (human(self.idle_timeout), human(self.absolute_timeout));
            let reason = format!("longer than absolute_timeout = {absolute:?}; raise that, or lower this");
            return Err(ConfigError::new("idle_timeout", idle, reason));
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("max_record_bytes", self.max_record_bytes, 256, 16 << 20),
            ("anonymous_max_bytes", self.anonymous_max_bytes, 256, 16 << 20),
            ("max_keys", self.max_keys, 1, MAX_KEYS),
            ("max_key_bytes", self.max_key_bytes, 1, 255),
            ("max_depth", self.max_depth, 1, 127),
            ("max_lock_waiters", self.max_lock_waiters, 1, 1 << 20),
        ];
        match sizes.into_iter().find(|(_, size, least, most)| !(least..=most).contains(&size)) {
            Some((name, size, least, most)) => {
                Err(ConfigError::new(name, size, format!("choose {least} to {most}")))
            }
            None => Ok(()),
        }
    }

    fn check_waits(&self) -> Result<(), ConfigError> {
        within("lock_timeout", self.lock_timeout, MILLISECOND, HOUR)?;
        within("store_timeout", self.store_timeout, MILLISECOND, HOUR)?;
        within("store_budget", self.store_budget, self.store_timeout, HOUR)?;
        within("lease_ttl", self.lease_ttl, 100 * MILLISECOND, HOUR)?;
        within("lease_limit", self.lease_limit, self.lease_ttl, 24 * HOUR)?;
        within("watch_interval", self.watch_interval, 100 * MILLISECOND, HOUR)?;
        if !self.sweep_interval.is_zero() {
            within("sweep_interval", self.sweep_interval, 10 * MILLISECOND, 24 * HOUR)?;
        }
        Ok(())
    }
}

fn within(
    setting: &'static str,
    value: Duration,
    least: Duration,
    most: Duration,
) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let reason = format!("choose {} to {}", human(least), human(most));
    Err(ConfigError::new(setting, human(value), reason))
}

/// As it may be written in settings; in days at most, because months and years are no whole number of them.
fn human(duration: Duration) -> String {
    let days = duration.as_secs() / DAY.as_secs();
    let rest = duration.saturating_sub(Duration::from_secs(days * DAY.as_secs()));
    let days = if days == 1 { "1day".to_owned() } else { format!("{days}days") };
    match (duration >= DAY, rest.is_zero()) {
        (false, _) => humantime::format_duration(rest).to_string(),
        (true, true) => days,
        (true, false) => format!("{days} {}", humantime::format_duration(rest)),
    }
}

/// The longest life of a cookie in browsers (RFC 6265bis §5.5), and so of a session.
pub(crate) const MAX_LIFETIME: Duration = Duration::from_secs(400 * DAY.as_secs());
/// How long every store keeps a tombstone.
const LONGEST_WINDOW: Duration = Duration::from_secs(10 * 60);
/// Half of what a stored session can count: two requests that fill one at the same time come to twice as many, which
/// must be written down before it can be refused.
const MAX_KEYS: usize = 32_767;
const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
