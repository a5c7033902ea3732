//! A connection from its beginning: to the right server, which says what it is.

use std::net::SocketAddr;
use std::time::Duration;
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ConnectError;
use crate::address::Address;
use crate::resolve::{Location, check, resolve};
use crate::settings::{self, Settings};

/// A new connection, and what the server at its end is.
pub(crate) struct Opened {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) settings: Settings,
}

/// Where a server was found, to make the connection anew.
#[derive(Debug)]
pub(crate) enum Place {
    Tcp(Location),
    Unix(String),
}

impl Place {
    /// Finds the server at this address, and makes the first connection.
    pub(crate) async fn find(address: &Address) -> Result<(Self, Opened), Problem> {
        let name = match address {
            Address::Tcp(name) => name.clone(),
            Address::Unix(path) => return Ok((Self::Unix(path.clone()), open_unix(path).await?)),
        };
        let found = resolve(name.clone()).await?;
        Self::find_among(name, found).await
    }

    async fn find_among(name: String, found: Vec<SocketAddr>) -> Result<(Self, Opened), Problem> {
        check(&found).map_err(Problem::Unsuitable)?;
        let mut failed = Problem::Failed(io::ErrorKind::NotFound.into());
        for at in found {
            match open_tcp(at).await {
                Ok(opened) => return Ok((Self::Tcp(Location::new(name, at)), opened)),
                Err(problem @ Problem::Unsuitable(_)) => return Err(problem),
                Err(problem) => failed = problem,
            }
        }
        Err(failed)
    }

    /// Makes another connection to the same server.
    pub(crate) async fn open_again(&mut self) -> Result<Opened, Problem> {
        match self {
            Self::Tcp(location) => {
                let at = location.look_up().await;
                let opened = in_time(open_tcp(at)).await?;
                location.found(at);
                Ok(opened)
            }
            Self::Unix(path) => in_time(open_unix(path)).await,
        }
    }
}

async fn in_time(opening: impl Future<Output = Result<Opened, Problem>>) -> Result<Opened, Problem> {
    timeout(LONGEST_ATTEMPT, opening).await.unwrap_or_else(|_| Err(Problem::timed_out()))
}

async fn open_tcp(at: SocketAddr) -> Result<Opened, Problem> {
    let stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    greet(Box::new(stream)).await
}

#[cfg(unix)]
async fn open_unix(path: &str) -> Result<Opened, Problem> {
    greet(Box::new(tokio::net::UnixStream::connect(path).await?)).await
}

#[cfg(not(unix))]
async fn open_unix(_: &str) -> Result<Opened, Problem> {
    Err(io::Error::from(io::ErrorKind::Unsupported).into())
}

/// Asks the server what it is.
async fn greet(mut stream: Box<dyn Stream>) -> Result<Opened, Problem> {
    // A server that takes no more connections says so without having been asked, and hangs up. That can be read even if it cannot be
    // written to any more.
    let asked = stream.write_all(settings::QUESTION).await;
    let mut answer = Vec::with_capacity(4_096);
    loop {
        let received = stream.read_buf(&mut answer).await;
        if settings::is_crowded(&answer) {
            return Err(Problem::Crowded);
        }
        asked.as_ref().map_err(|error| Problem::Failed(error.kind().into()))?;
        if received? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(settings) = settings::read(&answer).map_err(Problem::Unsuitable)? {
            return Ok(Opened { stream, settings });
        }
    }
}

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Problem {
    Failed(io::Error),
    /// The server has as many connections as it takes.
    Crowded,
    Unsuitable(String),
}

impl Problem {
    pub(crate) fn timed_out() -> Self {
        Self::Failed(io::ErrorKind::TimedOut.into())
    }

    pub(crate) fn at(self, address: &Address) -> ConnectError {
        let server = address.to_string();
        let reason = match self {
            Self::Failed(error) => format!("{error}; is it running?"),
            Self::Crowded => CROWDED.into(),
            Self::Unsuitable(reason) => return ConnectError::Unsuitable { server, reason },
        };
        ConnectError::Unreachable { server, reason }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "no connection: {error}"),
            Self::Crowded => write!(f, "no connection: {CROWDED}"),
            Self::Unsuitable(reason) => write!(f, "the server cannot keep sessions: {reason}"),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

const CROWDED: &str = "it has as many connections as it takes: start it with a larger -c";
/// How long it may take to make a connection anew, from the address on.
pub(crate) const LONGEST_ATTEMPT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
