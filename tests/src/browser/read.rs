//! HTTP/1.1 as it comes (RFC 9112).

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufStream};
use tokio::net::TcpStream;

use super::Response;

/// Reads a head.
pub(super) async fn read_head(stream: &mut BufStream<TcpStream>) -> io::Result<Response> {
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

/// Reads the body that follows: one with a length, or in chunks.
pub(super) async fn read_body(stream: &mut BufStream<TcpStream>, response: &mut Response) -> io::Result<()> {
    let mut body = Vec::new();
    if let Some(length) = response.header("content-length") {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).await?;
    } else if response.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(&read_line(stream).await?, 16).unwrap();
            let start = body.len();
            body.resize(start + size, 0);
            stream.read_exact(&mut body[start..]).await?;
            read_line(stream).await?;
            if size == 0 {
                break;
            }
        }
    }
    response.body = String::from_utf8(body).unwrap();
    Ok(())
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
