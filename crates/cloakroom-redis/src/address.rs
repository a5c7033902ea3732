//! The URLs that name a server, sentinels or a cluster.

use std::fmt;
use std::time::Duration;

use cloakroom_store::OpenError;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

/// What a URL names.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    One(ConnectionInfo),
    /// The sentinels, the name of the primary that they watch, and how to log in there; its host is none.
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        name: String,
        server: ConnectionInfo,
    },
    /// Some nodes of a cluster.
    Cluster(Vec<ConnectionInfo>),
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| no_url("there is no :// in it"))?;
        match scheme {
            "redis" | "rediss" | "valkey" | "valkeys" | "unix" | "redis+unix" | "valkey+unix" => {
                Ok(Self::One(server(url)?))
            }
            "redis+sentinel" | "valkey+sentinel" => Self::sentinel("redis", rest),
            "rediss+sentinel" | "valkeys+sentinel" => Self::sentinel("rediss", rest),
            "redis+cluster" | "valkey+cluster" => Self::cluster("redis", rest),
            "rediss+cluster" | "valkeys+cluster" => Self::cluster("rediss", rest),
            _ => Err(no_url(
                "known are redis, rediss, unix, redis+unix, redis+sentinel, redis+cluster, and valkey instead of redis",
            )),
        }
    }

    /// `user:password@host:port,host:port/name/database`
    fn sentinel(scheme: &str, rest: &str) -> Result<Self, OpenError> {
        let Parts { login, hosts, path, tail } = Parts::of(rest);
        let (name, database) = path.split_once('/').unwrap_or((path, ""));
        if name.is_empty() {
            return Err(no_url("the name of the primary is missing: redis+sentinel://host:port/name"));
        }
        let sentinels =
            hosts.split(',').map(|host| server(&format!("{scheme}://{}{tail}", or_port(host, 26379))));
        Ok(Self::Sentinel {
            sentinels: sentinels.collect::<Result<_, _>>()?,
            name: name.to_owned(),
            server: server(&format!("{scheme}://{login}localhost/{database}{tail}"))?,
        })
    }

    /// `user:password@host:port,host:port`
    fn cluster(scheme: &str, rest: &str) -> Result<Self, OpenError> {
        let Parts { login, hosts, path, tail } = Parts::of(rest);
        if !matches!(path, "" | "0") {
            return Err(no_url("a cluster has one database, the number 0"));
        }
        let nodes = hosts.split(',').map(|host| server(&format!("{scheme}://{login}{host}{tail}")));
        Ok(Self::Cluster(nodes.collect::<Result<_, _>>()?))
    }

    /// The hosts, for people: neither user nor password.
    pub(crate) fn shown(&self) -> String {
        let list = |servers: &[ConnectionInfo]| {
            servers.iter().map(|server| server.addr().to_string()).collect::<Vec<_>>().join(",")
        };
        match self {
            Self::One(server) => server.addr().to_string(),
            Self::Sentinel { sentinels, name, .. } => format!("{}/{name}", list(sentinels)),
            Self::Cluster(nodes) => list(nodes),
        }
    }

    pub(crate) fn uses_tls(&self) -> bool {
        let is_tls = |server: &ConnectionInfo| matches!(server.addr(), ConnectionAddr::TcpTls { .. });
        match self {
            Self::One(server) | Self::Sentinel { server, .. } => is_tls(server),
            Self::Cluster(nodes) => nodes.iter().any(is_tls),
        }
    }
}

/// What comes after the scheme.
struct Parts<'a> {
    /// Empty, or `user:password@`.
    login: &'a str,
    hosts: &'a str,
    /// Without slashes around it.
    path: &'a str,
    /// Query and fragment with their marks.
    tail: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str) -> Self {
        let (rest, tail) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        Self { login, hosts, path: path.trim_matches('/'), tail }
    }
}

fn or_port(host: &str, port: u16) -> String {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { host.to_owned() } else { format!("{host}:{port}") }
}

/// One server's URL, as the driver reads it.
fn server(url: &str) -> Result<ConnectionInfo, OpenError> {
    let info = url.into_connection_info().map_err(no_url)?;
    Ok(tuned(info))
}

fn no_url(reason: impl fmt::Display) -> OpenError {
    OpenError::config(format!("this is no URL of Redis: {reason}"))
}

/// With our settings of the protocol and of the socket.
fn tuned(info: ConnectionInfo) -> ConnectionInfo {
    // The third version of the protocol tells at once when a connection breaks, and carries messages beside replies.
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    info.set_redis_settings(redis).set_tcp_settings(tcp())
}

fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(KEEPALIVE);
    settings
}

/// After so much silence the other side is asked whether it is still there; and what it does not acknowledge for so long ends the
/// connection, where the system can do that.
const KEEPALIVE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
