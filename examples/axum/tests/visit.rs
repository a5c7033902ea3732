//! The example as its visitors see it.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use cloakroom_tests::{Browser, Example, post_form, redirects};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

async fn example() -> Example {
    Example::start(env!("CARGO_BIN_EXE_example-axum")).await
}

#[tokio::test]
async fn it_counts_and_signs_in() {
    example().await.counts_and_signs_in().await;
}

#[test]
fn it_says_what_is_wrong_with_its_port() {
    Example::refuses_a_wrong_port(env!("CARGO_BIN_EXE_example-axum"));
}

#[tokio::test]
async fn who_is_signed_in_writes_and_everybody_reads_until_they_sign_out() {
    let example = example().await;
    let (ann, bob) = (signed_in(&example, "ann").await, signed_in(&example, "bob").await);
    let stranger = example.browser();
    let mut ann_reads = Stream::open(&example, &ann).await;
    let mut stranger_reads = Stream::open(&example, &stranger).await;

    assert_eq!(stranger.send(post_form("/chat", "text=hello")).await.status, 401);
    // The stream of this very session holds no lock.
    assert_eq!(ann.send(post_form("/chat", "text=hello%0D%0Athere")).await.status, 204);
    for reader in [&mut ann_reads, &mut stranger_reads] {
        assert_eq!(reader.line().await.as_deref(), Some("data: ann: hello  there"));
    }

    redirects(&ann.post("/logout").await);
    assert_eq!(ann_reads.line().await.as_deref(), Some("event: ended"), "although nobody says anything");
    assert_eq!(ann_reads.line().await.as_deref(), Some("data: ended"));
    assert_eq!(ann_reads.line().await, None, "the stream closes");
    assert_eq!(bob.send(post_form("/chat", "text=is+ann+gone")).await.status, 204);
    assert_eq!(stranger_reads.line().await.as_deref(), Some("data: bob: is ann gone"));
}

async fn signed_in(example: &Example, name: &str) -> Browser {
    let browser = example.browser();
    redirects(&browser.send(post_form("/login", &format!("user={name}&password=sesame"))).await);
    browser
}

/// A stream of events on a socket of its own.
struct Stream(Lines<BufReader<TcpStream>>);

impl Stream {
    /// Answers when the response head has come, and so whoever speaks is heard.
    async fn open(example: &Example, browser: &Browser) -> Self {
        let cookies = browser.jar().cookie_header("/", true).unwrap_or_default();
        let head = format!("GET /chat/messages HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n\r\n");
        let mut socket = TcpStream::connect(example.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(socket).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("HTTP/1.1 200 OK"));
        while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
        Self(lines)
    }

    /// The next line of an event, without what frames it; `None` at the end of the response.
    async fn line(&mut self) -> Option<String> {
        let next = async {
            loop {
                match self.0.next_line().await.unwrap().as_deref() {
                    None | Some("0") => return None, // the last chunk
                    Some(line) if line.contains(": ") => return Some(line.to_owned()),
                    Some(_) => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), next).await.expect("an event, or the end")
    }
}
