use std::io;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::message::{Request, Response};

/// A connection that speaks HTTP/2 from its first byte (RFC 9113 §3.3), for as many requests at once as one likes. It keeps
/// no cookies. Clones are the same connection.
#[derive(Clone, Debug)]
pub struct Http2(SendRequest<Full<Bytes>>);

impl Http2 {
    /// Connects to a loopback server.
    pub async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// Sends a request, each `Cookie` header in a field of its own. Dropped while it waits, the request is reset.
    pub async fn send(&self, request: Request) -> Response {
        self.try_send(request).await.unwrap()
    }

    /// The same, where the server may refuse to answer.
    ///
    /// # Errors
    /// The connection's.
    pub async fn try_send(&self, request: Request) -> io::Result<Response> {
        let uri = format!("http://localhost{}", request.path);
        let sent = hyper::Request::builder().method(request.method).uri(uri);
        let sent = request.headers.iter().fold(sent, |sent, (name, value)| sent.header(name, &**value));
        let sent = sent.body(Full::from(request.body)).unwrap();
        let (head, body) = self.0.clone().send_request(sent).await.map_err(io::Error::other)?.into_parts();
        let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let body = String::from_utf8(body.into()).unwrap();
        Ok(Response { status: head.status.as_u16(), headers, body })
    }
}
