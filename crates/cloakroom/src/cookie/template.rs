use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::token::Token;

/// Whether the browser sends the cookie with requests that other sites caused (RFC 6265bis §5.6.7).
///
/// Written in lower case in configuration files. Defaults to `lax`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SameSite {
    /// Only with requests that this site caused; a visitor who follows a link from elsewhere arrives
    /// without a session.
    Strict,
    /// Also when a visitor follows a link from elsewhere, but not with its forms, images or scripts.
    #[default]
    Lax,
    /// With every request, as a page framed by other sites needs. Browsers demand `Secure` with it.
    None,
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Lax => "lax",
            Self::None => "none",
        })
    }
}

/// What a session cookie is made with, as the settings have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CookieAttributes<'a> {
    pub(crate) name: &'a str,
    pub(crate) domain: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) same_site: SameSite,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
}

/// Writes the `Set-Cookie` fields of one cookie.
///
/// Setting and removing share their attributes, because a browser removes a cookie only for a field with
/// the same name, domain and path that it would also have accepted.
#[derive(Clone, Debug)]
pub(crate) struct CookieTemplate {
    name: String,
    attributes: String,
}

impl CookieTemplate {
    /// Checks the attributes against RFC 6265bis, so that no browser will refuse the cookie.
    ///
    /// # Errors
    ///
    /// Names the setting that does not fit and what to choose instead.
    pub(crate) fn new(attributes: CookieAttributes<'_>) -> Result<Self, ConfigError> {
        check_name(attributes.name)?;
        attributes.domain.map_or(Ok(()), check_domain)?;
        check_path(attributes.path)?;
        check_prefix(attributes)?;
        let CookieAttributes { name, domain, path, same_site, secure, http_only } = attributes;
        if same_site == SameSite::None && !secure {
            return Err(ConfigError::new(
                SAME_SITE,
                same_site,
                "browsers refuse SameSite=None over plain HTTP: choose lax, or serve over HTTPS",
            ));
        }

        let mut text = String::new();
        if let Some(domain) = domain {
            text.extend(["; Domain=", domain]);
        }
        text.extend(["; Path=", path]);
        if secure {
            text.push_str("; Secure");
        }
        if http_only {
            text.push_str("; HttpOnly");
        }
        text.push_str(match same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        });
        Ok(Self { name: name.to_owned(), attributes: text })
    }

    /// The field that gives the browser this value: until it is closed, or for `max_age`.
    ///
    /// The time is rounded to whole seconds, at least one and at most 400 days (RFC 6265bis §5.5).
    /// There is never an `Expires`: it would be read by the browser's clock.
    pub(crate) fn set(&self, value: &str, max_age: Option<Duration>) -> String {
        let Self { name, attributes } = self;
        match max_age {
            None => format!("{name}={value}{attributes}"),
            Some(max_age) => {
                let seconds = max_age.as_secs().clamp(1, MAX_AGE_LIMIT);
                format!("{name}={value}{attributes}; Max-Age={seconds}")
            }
        }
    }

    /// The field that makes the browser forget the cookie.
    pub(crate) fn removal(&self) -> String {
        format!("{}={}; Max-Age=0", self.name, self.attributes)
    }
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let refused = |reason: &'static str| Err(ConfigError::new(NAME, name, reason));
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return refused("choose a name of ASCII letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 §5.6.2)");
    }
    if name.len() + Token::MAX_PRINTED_LEN > MAX_PAIR_LEN {
        return refused("choose a shorter name: browsers refuse a name and value of more than 4096 bytes");
    }
    Ok(())
}

fn check_domain(domain: &str) -> Result<(), ConfigError> {
    let refused = |reason: &'static str| Err(ConfigError::new(DOMAIN, domain, reason));
    if domain.starts_with('.') {
        return refused("leave the first dot out: the domain includes its subdomains without it");
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if domain.len() > 253 || !domain.split('.').all(is_label) {
        return refused("choose a plain host name like example.org, in its ASCII form and without a port");
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), ConfigError> {
    let refused = |reason: &'static str| Err(ConfigError::new(PATH, path, reason));
    if !path.starts_with('/') {
        return refused("choose a path that starts with /");
    }
    if path.contains(['?', '#']) {
        return refused("choose a path alone: a request's path never contains ? or #, so none would match");
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';') {
        return refused("percent-encode everything but visible ASCII characters, and semicolons");
    }
    if path.len() > MAX_ATTRIBUTE_LEN {
        return refused("choose a shorter path: browsers ignore attributes of more than 1024 bytes");
    }
    Ok(())
}

/// The promises in a cookie's name, which browsers hold it to (RFC 6265bis §4.1.3, and the `Http`
/// prefixes of draft-ietf-httpbis-layered-cookies). They compare prefixes without regard to case.
fn check_prefix(attributes: CookieAttributes<'_>) -> Result<(), ConfigError> {
    let CookieAttributes { name, domain, path, secure, http_only, .. } = attributes;
    let starts_with =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let for_host = starts_with("__Host-");
    let for_http = starts_with("__Http-") || starts_with("__Host-Http-");
    if !(for_host || for_http || starts_with("__Secure-")) {
        return Ok(());
    }
    if !secure {
        return Err(ConfigError::new(
            PLAIN_HTTP,
            true,
            format!(
                "browsers keep {name} over HTTPS only, as its prefix says: choose a cookie_name without \
                 prefix, like \"id\", or turn this off"
            ),
        ));
    }
    if for_http && !http_only {
        return Err(ConfigError::new(
            SCRIPT_ACCESS,
            true,
            format!("browsers keep {name} from scripts, as its prefix says: rename it, or turn this off"),
        ));
    }
    if let (true, Some(domain)) = (for_host, domain) {
        return Err(ConfigError::new(
            DOMAIN,
            domain,
            format!(
                "{name} belongs to one host, as its prefix says: leave cookie_domain out, or choose a \
                 cookie_name like \"__Secure-id\""
            ),
        ));
    }
    if for_host && path != "/" {
        return Err(ConfigError::new(
            PATH,
            path,
            format!(
                "{name} belongs to the whole host, as its prefix says: choose \"/\", or a cookie_name like \
                 \"__Secure-id\""
            ),
        ));
    }
    Ok(())
}

/// `tchar` of RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

const NAME: &str = "cookie_name";
const DOMAIN: &str = "cookie_domain";
const PATH: &str = "cookie_path";
const SAME_SITE: &str = "cookie_same_site";
const PLAIN_HTTP: &str = "danger_allow_plain_http";
const SCRIPT_ACCESS: &str = "danger_allow_script_access";

/// RFC 6265bis §5.6: name and value together.
const MAX_PAIR_LEN: usize = 4096;
/// RFC 6265bis §5.6: one attribute's value.
const MAX_ATTRIBUTE_LEN: usize = 1024;
/// RFC 6265bis §5.5: 400 days, in seconds.
const MAX_AGE_LIMIT: u64 = 400 * 24 * 60 * 60;
