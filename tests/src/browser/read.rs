//! HTTP/1.1 as it comes (RFC 9112).

use std::{io, mem};

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

/// Reads what follows of the body: so many bytes, or chunks.
pub(super) async fn read_body(stream: &mut BufStream<TcpStream>, response: &mut Response) -> io::Result<()> {
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
pub(super) async fn read_chunk(stream: &mut BufStream<TcpStream>) -> io::Result<Vec<u8>> {
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
