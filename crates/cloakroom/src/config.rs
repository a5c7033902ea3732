//! Every setting, its default, and its check.

mod duration;
mod initializer;

use std::time::Duration;

use serde::Deserialize;

pub use self::initializer::Initializer;
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

        /// Ends a session that was not used for this long. Lowered, it counts for stored sessions from their next save.
        /// Defaults to 1 hour.
        #[serde(with = "duration")]
        pub idle_timeout: Duration = HOUR,
        /// Ends a session this long after it began, or after its last sign-in, however busy it is: at most 400 days.
        /// Defaults to 24 hours (NIST SP 800-63B-4, AAL2).
        #[serde(with = "duration")]
        pub absolute_timeout: Duration = 24 * HOUR,
        /// How long a rotated secret still works, and how long a session that was ended remembers that it was: longer
        /// than the slowest request, at most 1 hour. Defaults to 30 seconds.
        #[serde(with = "duration")]
        pub grace: Duration = Duration::from_secs(30),
        /// Treats a visitor whose session has expired as a new one. If false, such a request is answered with
        /// `expired_message` and the cookie is removed; likewise one whose session is not stored, for expired sessions
        /// are swept away in the end. Defaults to true.
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

        /// How many sessions one subject may have, at least 1. Needs a store that lists them. Defaults to no limit.
        pub subject_limit: Option<usize> = None,
        /// What a sign-in beyond `subject_limit` does. Defaults to [`OnSubjectLimit::EndOldest`].
        pub on_subject_limit: OnSubjectLimit = OnSubjectLimit::EndOldest,
        /// What a secret does that was replaced longer than `grace` ago, and so may have been stolen.
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
    /// Ends the subject's sessions that signed in longest ago, once the new one is stored.
    #[default]
    EndOldest,
    /// Fails.
    Refuse,
}

/// What a secret does that was replaced longer than `grace` ago.
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
        let header = &self.client_ip_header;
        if header.is_empty() || !header.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(ConfigError::new("client_ip_header", header, "this is not the name of a header"));
        }
        if self.subject_limit == Some(0) {
            return Err(ConfigError::new("subject_limit", 0, "nobody could sign in; choose at least 1"));
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
        within("grace", self.grace, SECOND, HOUR)?;
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
/// Half of what a stored session can count: two requests that fill one at the same time come to twice as many, which
/// must be written down before it can be refused.
const MAX_KEYS: usize = 32_767;
const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
