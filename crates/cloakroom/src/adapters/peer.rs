//! Who is at the other end of a connection.

use std::net::IpAddr;

/// The address of the connection's other end, in a request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// The address that the server, or axum, has put into a request's extensions.
pub(super) fn address(extensions: &http::Extensions) -> Option<IpAddr> {
    let address = extensions.get::<PeerAddress>().map(|peer| peer.0);
    #[cfg(feature = "axum_v0_8")]
    let address = address.or_else(|| {
        use axum08::extract::ConnectInfo;
        extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|ConnectInfo(address)| address.ip())
    });
    address
}
