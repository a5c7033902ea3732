use std::io;

use tokio::io::BufStream;
use tokio::net::TcpStream;

use super::Response;
use super::read::{read_body, read_chunk};

/// A response whose head has come, and whose body may still be on its way. Dropped, the client has hung up.
#[derive(Debug)]
pub struct Begun {
    /// What has come: a response without a body.
    pub head: Response,
    pub(super) stream: BufStream<TcpStream>,
}

impl Begun {
    /// Waits for the next piece of the body, one chunk (RFC 9112 §7.1), and adds it to what has come.
    pub async fn piece(&mut self) -> String {
        let piece = String::from_utf8(read_chunk(&mut self.stream).await.unwrap()).unwrap();
        self.head.body.push_str(&piece);
        piece
    }

    /// Waits for the rest.
    pub async fn finish(self) -> Response {
        self.try_finish().await.unwrap()
    }

    /// The same for a body that may be cut off.
    ///
    /// # Errors
    /// The connection's.
    pub async fn try_finish(mut self) -> io::Result<Response> {
        read_body(&mut self.stream, &mut self.head).await?;
        Ok(self.head)
    }
}
