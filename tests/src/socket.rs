use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::browser::Browser;
use crate::message::Response;

/// A WebSocket of a browser (RFC 6455).
#[derive(Debug)]
pub struct Socket(WebSocketStream<TcpStream>);

impl Browser {
    /// Opens a WebSocket with the browser's cookies, and keeps those that come with the answer.
    ///
    /// # Errors
    /// Another answer than 101.
    pub async fn socket(&self, path: &str) -> Result<(Socket, Response), Response> {
        let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
        if let Some(cookies) = self.jar().cookie_header(path, true) {
            request.headers_mut().insert("cookie", cookies.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (socket, head) = match client_async(request, stream).await {
            Ok((socket, head)) => (Some(socket), head),
            Err(tungstenite::Error::Http(head)) => (None, *head),
            Err(error) => panic!("{error}"),
        };
        let (head, body) = head.into_parts();
        let text = |value: &tungstenite::http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = String::from_utf8(body.unwrap_or_default()).unwrap();
        let response = Response { status: head.status.as_u16(), headers, body };
        self.keep_cookies(path, &response);
        match socket {
            Some(socket) => Ok((Socket(socket), response)),
            None => Err(response),
        }
    }
}

impl Socket {
    /// Sends a text, and waits for the one that comes back.
    pub async fn ask(&mut self, text: &str) -> String {
        self.0.send(Message::text(text)).await.unwrap();
        loop {
            match self.0.next().await.expect("an answer").unwrap() {
                Message::Text(answer) => return answer.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
