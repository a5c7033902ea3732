//! The address a request came from, behind any number of proxies.
//!
//! Forwarding headers are what a client writes until a proxy that we know has appended to them. So they
//! are ignored unless the peer of the connection is a declared proxy, exactly one header is read, and it
//! is read from its right end, where that proxy wrote.

#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::ConfigError;

/// A proxy in front of the site, or a network of them, whose forwarding header is believed.
///
/// Written as an address (`10.0.0.1`, `2001:db8::1`) or a network (`10.0.0.0/8`). IPv4 addresses
/// mapped into IPv6 are taken as IPv4. A network of everybody (`/0`) is refused: then every visitor
/// could choose an address.
///
/// ```
/// # use cloakroom::TrustedProxy;
/// let proxy: TrustedProxy = "10.0.0.0/8".parse()?;
/// assert_eq!(proxy.to_string(), "10.0.0.0/8");
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrustedProxy(IpNet);

impl TrustedProxy {
    fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for TrustedProxy {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let refused = |reason: &'static str| ConfigError::new("trusted_proxies", text, reason);
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text
                .parse()
                .map_err(|_| refused("write an address like 10.0.0.1 or a network like 10.0.0.0/8"))?,
        };
        let network = canonical(network);
        if network.prefix_len() == 0 {
            return Err(refused("this trusts everybody: name the network of the proxies"));
        }
        Ok(Self(network.trunc()))
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            fmt::Display::fmt(&self.0.addr(), f)
        } else {
            fmt::Display::fmt(&self.0, f)
        }
    }
}

impl Serialize for TrustedProxy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TrustedProxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Whether `peer` is one of these proxies.
pub(crate) fn is_trusted(peer: IpAddr, trusted: &[TrustedProxy]) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|proxy| proxy.contains(peer))
}

/// The client's address: the first one, walking back from the peer, that is not a trusted proxy.
///
/// `fields` are the lines of the header called `header_name`, in order. `Forwarded` is read as
/// RFC 7239; every other header as a list of addresses, which covers `X-Forwarded-For` and headers of a
/// single address.
///
/// When all are trusted, the first hop is the client: a proxy that asks for itself. `None` when a
/// trusted proxy named its client in a way that is no address (`unknown`, a pseudonym, rubbish): to fall
/// back on the proxy's own address would take all its clients for one.
pub(crate) fn client_ip<'a>(
    peer: IpAddr,
    header_name: &str,
    fields: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &[TrustedProxy],
) -> Option<IpAddr> {
    let is_trusted = |address| is_trusted(address, trusted);
    let mut hop = peer.to_canonical();
    if !is_trusted(hop) {
        return Some(hop);
    }
    let is_forwarded = header_name.eq_ignore_ascii_case("Forwarded");
    for field in fields.rev() {
        let mut rest = Some(field);
        while let Some(list) = rest {
            let element;
            (rest, element) = if is_forwarded { split_last(list, b',') } else { split_last_plain(list) };
            let element = element.trim_ascii();
            if element.is_empty() {
                continue; // Lists may have empty elements (RFC 9110 §5.6.1).
            }
            let node = if is_forwarded { forwarded_for(element)? } else { element };
            hop = parse_node(node)?;
            if !is_trusted(hop) {
                return Some(hop);
            }
        }
    }
    Some(hop)
}

/// The `for` parameter of one element of `Forwarded`, without quotes; `None` unless there is exactly one.
fn forwarded_for(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    let mut rest = Some(element);
    while let Some(pairs) = rest {
        let pair;
        (rest, pair) = split_last(pairs, b';');
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
        if !pair[..equals].trim_ascii().eq_ignore_ascii_case(b"for") {
            continue;
        }
        if found.replace(pair[equals + 1..].trim_ascii()).is_some() {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.strip_suffix(b"\""),
        None => Some(value),
    }
}

/// An address with or without a port, IPv6 with or without brackets.
fn parse_node(node: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(node).ok()?;
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let address =
        text.parse().ok().or_else(bracketed).or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

fn split_last_plain(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match list.iter().rposition(|byte| *byte == b',') {
        Some(at) => (Some(&list[..at]), &list[at + 1..]),
        None => (None, list),
    }
}

/// Splits at the last delimiter that is in no quoted string.
///
/// Quotes are paired from the right: there a trusted proxy wrote complete strings, while a client may
/// have opened one further left in order to swallow what the proxy appends.
fn split_last(list: &[u8], delimiter: u8) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for at in (0..list.len()).rev() {
        if list[at] == b'"' {
            let escapes = list[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
            quoted ^= escapes % 2 == 0;
        } else if list[at] == delimiter && !quoted {
            return (Some(&list[..at]), &list[at + 1..]);
        }
    }
    (None, list)
}

/// Turns a network of IPv4 addresses mapped into IPv6 (`::ffff:10.0.0.0/104`) into that of IPv4.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let mapped: Option<Ipv4Addr> = Ipv6Addr::to_ipv4_mapped(&v6.addr());
    let v4 = mapped.zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::V4)
}
