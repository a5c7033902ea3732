//! A server that says what a test wants it to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What it does about one request.
#[derive(Clone)]
pub(crate) enum Reaction {
    /// Sends this, with `$O` in place of the request's number and `$K` in place of its key.
    Say(Vec<u8>),
    /// The same after a while.
    SayLate(Duration, Vec<u8>),
    /// Closes the connection.
    HangUp,
    /// Says nothing, now or ever.
    Ignore,
}

pub(crate) fn say(text: impl AsRef<[u8]>) -> Reaction {
    Reaction::Say(text.as_ref().to_vec())
}

/// An item as it is found, with whatever value.
pub(crate) fn item(value: &[u8]) -> Reaction {
    Reaction::Say([format!("VA {} k$K c7 t600 O$O\r\n", value.len()).as_bytes(), value, b"\r\n"].concat())
}

pub(crate) struct Fake {
    pub(crate) url: String,
    /// The first lines of all requests.
    seen: Arc<Mutex<Vec<String>>>,
    connections: watch::Sender<usize>,
}

/// What time it says that it is: November 2023.
pub(crate) const GREETING_TIME: u64 = 1_700_000_000;

/// What it says to begin with, as memcached 1.6.18 does.
pub(crate) const GREETING: &str = "VERSION 1.6.18\r\nSTAT evictions on\r\nSTAT cas_enabled yes\r\n\
    STAT item_size_max 1048576\r\nEND\r\nSTAT time 1700000000\r\nEND\r\n";

impl Fake {
    /// Greets, then reacts to each request by the first two letters of it.
    pub(crate) async fn start(react: impl Fn(&str) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("memcached://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (react, log) = (Arc::new(react), Arc::clone(&seen));
        let (connections, _) = watch::channel(0);
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (react, log) = (Arc::clone(&react), Arc::clone(&log));
                let count = count.clone();
                count.send_modify(|connections| *connections += 1);
                tokio::spawn(async move {
                    serve(stream, &*react, &log).await;
                    count.send_modify(|connections| *connections -= 1);
                });
            }
        });
        Self { url, seen, connections }
    }

    /// Waits until it has so many connections.
    pub(crate) async fn has_connections(&self, count: usize) {
        let mut connections = self.connections.subscribe();
        let reached = connections.wait_for(|connections| *connections == count);
        timeout(Duration::from_secs(10), reached).await.expect("it comes to that").unwrap();
    }

    /// The expiry that it was sent last.
    pub(crate) fn last_expiry(&self) -> u64 {
        let seen = self.seen.lock().unwrap();
        let line = seen.iter().rfind(|line| line.starts_with("ms ")).expect("something was stored");
        line.split(' ').find_map(|word| word.strip_prefix('T')).unwrap().parse().unwrap()
    }

    /// How many requests began with this.
    pub(crate) fn count(&self, command: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|line| line.starts_with(command)).count()
    }
}

/// Until either side hangs up.
async fn serve(
    stream: TcpStream,
    react: &(dyn Fn(&str) -> Reaction + Send + Sync),
    log: &Mutex<Vec<String>>,
) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|len| len > 0) {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        if words[0] == "ms" {
            let mut value = vec![0; words[2].parse::<usize>().unwrap() + 2];
            stream.read_exact(&mut value).await.unwrap();
        }
        let reaction = match &*words[0] {
            "version" => Reaction::Ignore,
            // Both questions are answered at the second.
            "stats" if words.len() == 1 => say(GREETING),
            "stats" => Reaction::Ignore,
            command => {
                log.lock().unwrap().push(line.clone());
                react(command)
            }
        };
        if let Reaction::SayLate(pause, _) = reaction {
            sleep(pause).await;
        }
        match reaction {
            Reaction::Say(bytes) | Reaction::SayLate(_, bytes) => {
                let number = words.last().and_then(|word| word.strip_prefix('O')).unwrap_or_default();
                let key = words.get(1).map_or("", |key| key);
                stream.write_all(&filled_in(&bytes, key, number)).await.unwrap();
            }
            Reaction::HangUp => return,
            Reaction::Ignore => {}
        }
        line.clear();
    }
}

fn filled_in(bytes: &[u8], key: &str, number: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail.first()) {
            (b'$', Some(b'K')) => out.extend_from_slice(key.as_bytes()),
            (b'$', Some(b'O')) => out.extend_from_slice(number.as_bytes()),
            _ => {
                out.push(byte);
                continue;
            }
        }
        rest = &tail[1..];
    }
    out
}
