//! Requests and responses, and HTTP/1.1 as it comes (RFC 9112).

use std::{io, mem};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufStream};
use tokio::net::TcpStream;

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// All fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// A request with this method and an empty body.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: String::new() }
    }

    /// A GET request.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// A POST request with an empty body.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// With this header, byte for byte. A `Cookie` header takes the place of the browser's own.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Self { method, path, headers, body } = self;
        let mut bytes =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len())
                .into_bytes();
        for (name, value) in headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body.as_bytes());
        bytes
    }
}

impl Response {
    /// The value of the header, if there is exactly one field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// All values of the header.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The `Set-Cookie` fields.
    pub fn cookies(&self) -> Vec<&str> {
        self.all("set-cookie").collect()
    }
}

/// Reads a head.
pub(crate) async fn read_head(stream: &mut BufStream<TcpStream>) -> io::Result<Response> {
    let status_line = read_line(stream).await?;
    let status = status_line.split(' ').nth(1).expect("a status line").parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Response { status, headers, body: String::new() })
}

/// Reads what follows of the body: so many bytes, or chunks.
pub(crate) async fn read_body(stream: &mut BufStream<TcpStream>, response: &mut Response) -> io::Result<()> {
    // A chunk may end inside a character.
    let mut body = mem::take(&mut response.body).into_bytes();
    if let Some(length) = response.header("content-length") {
        body = read_bytes(stream, length.parse().unwrap()).await?;
    } else if response.header("transfer-encoding") == Some("chunked") {
        loop {
            let chunk = read_chunk(stream).await?;
            if chunk.is_empty() {
                break;
            }
            body.extend(chunk);
        }
    }
    response.body = String::from_utf8(body).unwrap();
    Ok(())
}

/// Reads a chunk, which is empty at the end.
pub(crate) async fn read_chunk(stream: &mut BufStream<TcpStream>) -> io::Result<Vec<u8>> {
    let size = usize::from_str_radix(&read_line(stream).await?, 16).unwrap();
    let chunk = read_bytes(stream, size).await?;
    read_line(stream).await?;
    Ok(chunk)
}

async fn read_bytes(stream: &mut BufStream<TcpStream>, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// A line without its end, which must have come.
async fn read_line(stream: &mut BufStream<TcpStream>) -> io::Result<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
