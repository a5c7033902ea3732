#[cfg(feature = "http_v1")]
mod http;
#[cfg(test)]
mod tests;

use std::time::Duration;

/// The cookies a browser keeps for one host: RFC 6265bis, as far as a session can tell.
///
/// It refuses what browsers refuse (`__Host-` with a `Domain`, `Secure` over plain HTTP,
/// `SameSite=None` without `Secure`, foreign domains), keeps and sends what they keep and send, and forgets
/// session cookies when it is closed. Time stands still until [`advance`](Self::advance). `Expires` is
/// ignored, for cloakroom writes none; and every request is one that the site itself caused, so `SameSite`
/// keeps nothing back.
///
/// ```
/// # use cloakroom::testing::Jar;
/// let mut jar = Jar::new("example.org");
/// jar.receive("__Host-id=coat; Path=/; Secure; HttpOnly", "/login", true).unwrap();
/// assert_eq!(jar.cookie_header("/", true).as_deref(), Some("__Host-id=coat"));
/// assert_eq!(jar.cookie_header("/", false), None);
///
/// jar.receive("__Host-id=; Path=/; Secure; Max-Age=0", "/logout", true).unwrap();
/// assert_eq!(jar.get("__Host-id"), None);
/// ```
#[derive(Clone, Debug)]
pub struct Jar {
    host: String,
    now: Duration,
    /// In the order of their creation.
    cookies: Vec<Stored>,
}

impl Jar {
    /// An empty jar of a browser that talks to this host.
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: host.into().to_ascii_lowercase(), now: Duration::ZERO, cookies: Vec::new() }
    }

    /// Takes one `Set-Cookie` field of the answer to a request for `path`, sent over HTTPS if `secure`.
    ///
    /// # Errors
    ///
    /// Says why a browser would drop the field without a word.
    pub fn receive(&mut self, set_cookie: &str, path: &str, secure: bool) -> Result<(), &'static str> {
        self.cookies.retain(|cookie| cookie.is_live(self.now));
        let received = Received::parse(set_cookie)?;
        let cookie = received.checked(&self.host, path, secure)?;
        let shadows_secure =
            |old: &Stored| old.secure && old.name == cookie.name && path_matches(&cookie.path, &old.path);
        if !secure && !cookie.secure && self.live().any(shadows_secure) {
            return Err("a page without HTTPS may not overlay a Secure cookie");
        }

        // A removal is a cookie that has expired already.
        let expires_at = received.max_age.map(|lifetime| self.now + lifetime);
        let cookie = Stored { expires_at, ..cookie };
        match self.cookies.iter_mut().find(|old| old.is_same(&cookie)) {
            Some(old) => *old = cookie,
            None => self.cookies.push(cookie),
        }
        Ok(())
    }

    /// The `Cookie` field of a request for `path`, sent over HTTPS if `secure`; `None` when no cookie fits.
    pub fn cookie_header(&self, path: &str, secure: bool) -> Option<String> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let fits = |cookie: &&Stored| path_matches(path, &cookie.path) && (secure || !cookie.secure);
        let mut cookies: Vec<_> = self.live().filter(fits).collect();
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> = cookies.into_iter().map(Stored::pair).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The value of the cookie with this name, the most specific path first.
    pub fn get(&self, name: &str) -> Option<&str> {
        let named = self.live().filter(|cookie| cookie.name == name);
        // `min_by_key` rather than `max_by_key`: of equals the first is meant.
        let cookie = named.min_by_key(|cookie| std::cmp::Reverse(cookie.path.len()))?;
        Some(&cookie.value)
    }

    /// How long the cookie with this name is still kept; `None` when the browser's end is its end, or
    /// when there is none.
    pub fn remaining(&self, name: &str) -> Option<Duration> {
        let cookie = self.live().find(|cookie| cookie.name == name)?;
        cookie.expires_at.map(|at| at - self.now)
    }

    /// Whether there is no cookie.
    pub fn is_empty(&self) -> bool {
        self.live().next().is_none()
    }

    /// Lets this much time pass.
    pub fn advance(&mut self, time: Duration) {
        self.now += time;
    }

    /// Closes the browser: cookies without a lifetime are gone.
    pub fn close(&mut self) {
        self.cookies.retain(|cookie| cookie.expires_at.is_some());
    }

    fn live(&self) -> impl Iterator<Item = &Stored> {
        self.cookies.iter().filter(|cookie| cookie.is_live(self.now))
    }
}

#[derive(Clone, Debug)]
struct Stored {
    name: String,
    value: String,
    /// `None` for a cookie of the host alone.
    domain: Option<String>,
    path: String,
    secure: bool,
    /// `None` for a cookie that ends with the browser.
    expires_at: Option<Duration>,
}

impl Stored {
    /// RFC 6265bis §5.7, step 23: what makes a cookie replace another.
    fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path) == (&other.name, &other.domain, &other.path)
    }

    fn is_live(&self, now: Duration) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }

    fn pair(&self) -> String {
        if self.name.is_empty() { self.value.clone() } else { format!("{}={}", self.name, self.value) }
    }
}

/// A `Set-Cookie` field taken apart; of an attribute given twice the last counts.
#[derive(Debug, Default)]
struct Received<'a> {
    name: &'a str,
    value: &'a str,
    domain: Option<String>,
    path: Option<&'a str>,
    max_age: Option<Duration>,
    secure: bool,
    http_only: bool,
    same_site_none: bool,
}

impl<'a> Received<'a> {
    /// RFC 6265bis §5.6.
    fn parse(field: &'a str) -> Result<Self, &'static str> {
        if field.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err("control characters");
        }
        let mut parts = field.split(';');
        let pair = parts.next().unwrap_or_default();
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let mut received = Self { name: trim(name), value: trim(value), ..Self::default() };
        match received.name.len() + received.value.len() {
            0 => return Err("neither name nor value"),
            1..=4096 => {}
            _ => return Err("name and value exceed 4096 bytes"),
        }
        for attribute in parts {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            if trim(value).len() <= 1024 {
                received.apply(trim(name), trim(value));
            }
        }
        Ok(received)
    }

    fn apply(&mut self, name: &str, value: &'a str) {
        match name.to_ascii_lowercase().as_str() {
            "max-age" => self.max_age = parse_max_age(value).or(self.max_age),
            "domain" => self.domain = Some(value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase()),
            "path" => self.path = Some(value),
            "secure" => self.secure = true,
            "httponly" => self.http_only = true,
            "samesite" => self.same_site_none = value.eq_ignore_ascii_case("none"),
            _ => {}
        }
    }

    /// RFC 6265bis §5.7: what is stored for it, unless a rule refuses it.
    fn checked(&self, host: &str, request_path: &str, secure: bool) -> Result<Stored, &'static str> {
        let domain = self.domain.as_deref().filter(|domain| !domain.is_empty());
        if domain.is_some_and(|domain| !domain_matches(host, domain)) {
            return Err("Domain is not this host or one above it");
        }
        if self.secure && !secure {
            return Err("Secure over plain HTTP");
        }
        if self.same_site_none && !self.secure {
            return Err("SameSite=None without Secure");
        }
        self.check_prefix(domain)?;
        let path = self.path.filter(|path| path.starts_with('/')).unwrap_or(default_path(request_path));
        Ok(Stored {
            name: self.name.to_owned(),
            value: self.value.to_owned(),
            domain: domain.map(str::to_owned),
            path: path.to_owned(),
            secure: self.secure,
            expires_at: None,
        })
    }

    /// The promises in the name; those with `Http` are of draft-ietf-httpbis-layered-cookies.
    fn check_prefix(&self, domain: Option<&str>) -> Result<(), &'static str> {
        let is = |prefix| starts_with(self.name, prefix);
        if self.name.is_empty()
            && ["__Secure-", "__Host-", "__Http-"].iter().any(|p| starts_with(self.value, p))
        {
            return Err("nameless, with a value like a prefixed name");
        }
        if (is("__Secure-") || is("__Host-") || is("__Http-")) && !self.secure {
            return Err("a prefixed name without Secure");
        }
        if is("__Host-") && domain.is_some() {
            return Err("__Host- with a Domain");
        }
        if is("__Host-") && self.path != Some("/") {
            return Err("__Host- without Path=/");
        }
        if (is("__Http-") || is("__Host-Http-")) && !self.http_only {
            return Err("__Http- without HttpOnly");
        }
        Ok(())
    }
}

/// RFC 6265bis §5.6.2; `None` when it is no number, zero when the cookie is to be removed.
fn parse_max_age(value: &str) -> Option<Duration> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if value.starts_with('-') {
        return Some(Duration::ZERO);
    }
    // More digits than fit are more than 400 days.
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)).min(MAX_AGE_LIMIT))
}

/// RFC 6265bis §5.1.3.
fn domain_matches(host: &str, domain: &str) -> bool {
    let above = || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    host == domain || (above() && host.parse::<std::net::IpAddr>().is_err())
}

/// RFC 6265bis §5.1.4.
fn path_matches(request_path: &str, cookie_path: &str) -> bool {
    request_path
        .strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

/// RFC 6265bis §5.1.4: the folder of the requested page.
fn default_path(request_path: &str) -> &str {
    match request_path.rfind('/') {
        Some(last) if last > 0 && request_path.starts_with('/') => &request_path[..last],
        _ => "/",
    }
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// RFC 6265bis §5.5.
const MAX_AGE_LIMIT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
