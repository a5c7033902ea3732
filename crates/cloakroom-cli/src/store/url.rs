use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A store as written on the command line: `scheme:what`, `scheme://server`, or a scheme alone.
///
/// `Display` and `Debug` show neither user names nor passwords.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory`
    Memory,
    /// `redb:PATH`
    Redb(PathBuf),
    /// `file:FOLDER`
    File(PathBuf),
    /// `sqlite:PATH`
    Sqlite(PathBuf),
    /// `redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://` and what else its driver knows
    Redis(String),
    /// `postgres://`
    Postgres(String),
    /// `mysql://`
    MySql(String),
    /// `memcached://`, `memcached+unix://`
    Memcached(String),
}

/// What an unknown scheme is told.
const KNOWN: &str = "redb:PATH, file:FOLDER, sqlite:PATH, redis://, redis+sentinel://, redis+cluster://, \
     postgres://, mysql://, memcached://, memory";

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let path = |what: &str| match rest {
            "" => Err(format!("{scheme} needs a {what}; write `{scheme}:{}`", what.to_uppercase())),
            path if path.starts_with("//") && !path.starts_with("///") => {
                Err(format!("{scheme} is on this machine; write `{scheme}:{}`", what.to_uppercase()))
            }
            path => Ok(PathBuf::from(path)),
        };
        let url = |example: &str| match rest.strip_prefix("//") {
            Some(server) if !server.is_empty() => Ok(text.to_owned()),
            _ => Err(format!("{scheme} needs a server; write `{example}`")),
        };
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err("memory takes no path; write `memory`".to_owned()),
            "redb" => path("path").map(Self::Redb),
            "file" => path("folder").map(Self::File),
            "sqlite" => path("path").map(Self::Sqlite),
            "redis" | "rediss" | "valkey" | "valkeys" => url("redis://127.0.0.1:6379").map(Self::Redis),
            "redis+unix" | "valkey+unix" | "unix" => url("redis+unix:///run/redis.sock").map(Self::Redis),
            "redis+sentinel" | "rediss+sentinel" | "valkey+sentinel" | "valkeys+sentinel" => {
                url("redis+sentinel://127.0.0.1:26379/mymaster").map(Self::Redis)
            }
            "redis+cluster" | "rediss+cluster" | "valkey+cluster" | "valkeys+cluster" => {
                url("redis+cluster://127.0.0.1:7000").map(Self::Redis)
            }
            "postgres" | "postgresql" => url("postgres://user@127.0.0.1/database").map(Self::Postgres),
            "mysql" | "mariadb" => url("mysql://user@127.0.0.1/database").map(Self::MySql),
            "memcached" | "memcached+unix" => url("memcached://127.0.0.1:11211").map(Self::Memcached),
            scheme => Err(format!("there is no store `{scheme}`; known are {KNOWN}")),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redb(path) => write!(f, "redb:{}", path.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Redis(url) | Self::Postgres(url) | Self::MySql(url) | Self::Memcached(url) => {
                f.write_str(&without_secrets(url))
            }
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The scheme, the servers and the database; not who we are there, and no options.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    let (place, options) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
    if options.contains('@') {
        // Of an option, or of a password with such a mark in it.
        return format!("{scheme}://…");
    }
    format!("{scheme}://{}", place.rsplit_once('@').map_or(place, |(_, servers)| servers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_read_back_as_it_is_printed() {
        for text in [
            "memory",
            "redb:./a:b.redb",
            "file:./sessions",
            "sqlite:/tmp/a.sqlite",
            "redis://127.0.0.1:6379/2",
            "redis+unix:///run/redis.sock",
            "redis+sentinel://a:1,b:2/mymaster",
            "redis+cluster://a:1,b:2",
            "postgres://localhost/site",
            "mysql://localhost/site",
            "memcached://a:1,b:2",
        ] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn no_password_is_printed() {
        for (text, printed) in [
            ("redis://me:s3cret@host:1/0", "redis://host:1/0"),
            ("postgres://me:s3c@r/et@host/site?password=s3cret", "postgres://host/site"),
            ("postgres://me:s3?c@r/et@host/site", "postgres://…"),
            ("postgres://host/site?user=me&password=s3@cret", "postgres://…"),
            ("mysql://host/site?user=me&password=s3cret", "mysql://host/site"),
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (printed.to_owned(), printed.to_owned()));
        }
    }

    #[test]
    fn an_unknown_scheme_lists_the_known_ones() {
        let error = "mongodb://host".parse::<StoreUrl>().unwrap_err();
        assert_eq!(
            error,
            "there is no store `mongodb`; known are redb:PATH, file:FOLDER, sqlite:PATH, redis://, \
             redis+sentinel://, redis+cluster://, postgres://, mysql://, memcached://, memory"
        );
    }

    #[test]
    fn a_store_without_its_place_says_what_to_write() {
        for (text, what) in [
            ("redb", "redb needs a path; write `redb:PATH`"),
            ("file:", "file needs a folder; write `file:FOLDER`"),
            ("sqlite://a.db", "sqlite is on this machine; write `sqlite:PATH`"),
            ("memory:x", "memory takes no path; write `memory`"),
            ("redis", "redis needs a server; write `redis://127.0.0.1:6379`"),
            ("postgres:site", "postgres needs a server; write `postgres://user@127.0.0.1/database`"),
            ("memcached://", "memcached needs a server; write `memcached://127.0.0.1:11211`"),
        ] {
            assert_eq!(text.parse::<StoreUrl>().unwrap_err(), what);
        }
    }
}
