//! A server that says what a test wants.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Fake {
    listener: TcpListener,
    pub(crate) port: u16,
}

impl Fake {
    pub(crate) async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    /// Serves in the background. `answer` is given the words of a command, separated by spaces; `None` is no answer at all.
    pub(crate) fn serve(self, answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) {
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((client, _)) = self.listener.accept().await {
                tokio::spawn(talk(BufReader::new(client), Arc::clone(&answer)));
            }
        });
    }
}

async fn talk(mut client: BufReader<TcpStream>, answer: Arc<impl Fn(&str) -> Option<String>>) {
    while let Some(command) = command(&mut client).await {
        let said = match command.split(' ').next() {
            Some("HELLO") => Some("%1\r\n+proto\r\n:3\r\n".to_owned()),
            Some("CLIENT") => Some("+OK\r\n".to_owned()),
            _ => answer(&command),
        };
        if let Some(said) = said
            && client.write_all(said.as_bytes()).await.is_err()
        {
            return;
        }
    }
}

async fn command(client: &mut BufReader<TcpStream>) -> Option<String> {
    let mut words = Vec::new();
    for _ in 0..number(client).await? {
        let mut word = vec![0; number(client).await?];
        client.read_exact(&mut word).await.ok()?;
        client.read_exact(&mut [0; 2]).await.ok()?;
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(words.join(" "))
}

/// The head of a list or of a string.
async fn number(client: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    client.read_line(&mut line).await.ok()?;
    line.get(1..)?.trim().parse().ok()
}
