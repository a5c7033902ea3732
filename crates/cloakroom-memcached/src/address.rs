//! Where the servers are, and which of them has a session.

use std::fmt;

use cloakroom_store::{Key, OpenError};

/// Where one server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Host and port, as `tokio` resolves them.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(at) | Self::Unix(at) => f.write_str(at),
        }
    }
}

/// Reads `memcached://host:port,host:port` or `memcached+unix:///path`.
///
/// # Errors
/// What is wrong with it, without the URL itself: it may contain a password.
pub(crate) fn read_url(url: &str) -> Result<Vec<Address>, OpenError> {
    addresses(url).map_err(|reason| OpenError::config(format!("the URL of memcached is not valid: {reason}")))
}

fn addresses(url: &str) -> Result<Vec<Address>, &'static str> {
    if let Some(path) = url.strip_prefix("memcached+unix://") {
        if !path.starts_with('/') || path.contains(['\0', '?', '#']) {
            return Err("after memcached+unix:// comes the absolute path of a socket");
        }
        return Ok(vec![Address::Unix(path.to_owned())]);
    }
    let hosts = url
        .strip_prefix("memcached://")
        .ok_or("it begins neither with memcached:// nor with memcached+unix://")?;
    let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
    if hosts.contains('@') {
        return Err("memcached is asked without user and password: remove what is before the @");
    }
    let mut addresses = Vec::new();
    for host in hosts.split(',') {
        let address = Address::Tcp(host_and_port(host)?);
        if addresses.contains(&address) {
            return Err("a server is there twice");
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// With the port that memcached has unless told otherwise, and in lower case, so that one server has one name.
fn host_and_port(text: &str) -> Result<String, &'static str> {
    const BAD: &str =
        "servers are names or addresses, IPv6 in brackets, perhaps with a port: host:11211,host:11211";
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, after)) => (&text[..inside.len() + 2], after),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().map_err(|_| BAD)?,
        None if port.is_empty() => DEFAULT_PORT,
        _ => return Err(BAD),
    };
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let sound = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(allowed),
    };
    if !sound || port == 0 {
        return Err(BAD);
    }
    Ok(format!("{}:{port}", host.to_ascii_lowercase()))
}

/// The server that has this key: the one with the highest score (rendezvous hashing). So their order does not matter, and
/// when one is added or removed only the keys that it gets or had move.
pub(crate) fn server_of<'a, T>(servers: &'a [T], seed: impl Fn(&T) -> u64, key: &Key) -> &'a T {
    let best = servers.iter().max_by_key(|server| scramble(seed(server) ^ key.prefix()));
    best.expect("there is at least one server")
}

/// What a server's name adds to the scores: FNV-1a of 64 bits.
pub(crate) fn seed(address: &Address) -> u64 {
    let (Address::Tcp(name) | Address::Unix(name)) = address;
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// The finalizer of SplitMix64.
fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

const DEFAULT_PORT: u16 = 11_211;

#[cfg(test)]
mod tests;
