//! A connection from its beginning: which address the name of a server stands for, and what the server there says it is.
//!
//! Invariant: a name is one server. If it were several, a session would be looked for on one of them and be on another: an
//! outage of one would read as "no session", and what was deleted would come back.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use std::{fmt, io};

use cloakroom_store::OpenError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use crate::address::Address;
use crate::lifetime::ServerClock;
use crate::settings::{self, Settings, Unfit};

/// A new connection, and what the server at its end is.
pub(crate) struct Opened {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) settings: Settings,
    pub(crate) clock: ServerClock,
}

/// Where a server was found, to connect to it again.
#[derive(Debug)]
pub(crate) enum Endpoint {
    Tcp(Location),
    Unix(String),
}

impl Endpoint {
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
    pub(crate) async fn reopen(&mut self) -> Result<Opened, Problem> {
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

/// The name of a server that was connected to, and at which address.
pub(crate) struct Location {
    name: String,
    /// Where it was when a connection was made last.
    last: SocketAddr,
    /// A question that took too long to be waited for. It is kept, and not asked again: behind it is a thread that
    /// cannot be stopped.
    pending: Option<Pin<Box<Lookup>>>,
}

type Lookup = dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send;

impl Location {
    fn new(name: String, at: SocketAddr) -> Self {
        Self { name, last: at, pending: None }
    }

    /// Where to look for the server after its connection ended. It may have moved; but if its name leads to several
    /// addresses now, or to none, or nowhere within [`LONGEST_LOOKUP`], it is where it was.
    async fn look_up(&mut self) -> SocketAddr {
        let pending = self.pending.get_or_insert_with(|| Box::pin(resolve(self.name.clone())));
        let Ok(found) = timeout(LONGEST_LOOKUP, pending).await else { return self.last };
        self.pending = None;
        match found.as_deref() {
            Ok([moved]) => *moved,
            _ => self.last,
        }
    }

    /// There is a connection to it at this address.
    fn found(&mut self, at: SocketAddr) {
        self.last = at;
        // The next time this would be an old answer.
        self.pending = None;
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location").field("name", &self.name).field("last", &self.last).finish_non_exhaustive()
    }
}

/// All addresses of `name`, a host and a port.
async fn resolve(name: String) -> io::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for address in lookup_host(name).await? {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    Ok(found)
}

/// Fails if these may be the addresses of several servers. One machine's own two, as `localhost` has, are those of one.
fn check(found: &[SocketAddr]) -> Result<(), Unfit> {
    match found {
        [] => Err(Unfit::new("its name has no address")),
        [_] => Ok(()),
        [one, other]
            if one.ip().is_loopback() && other.ip().is_loopback() && one.is_ipv4() != other.is_ipv4() =>
        {
            Ok(())
        }
        several => {
            let list: Vec<_> = several.iter().map(|address| address.ip().to_string()).collect();
            Err(Unfit::new(format!(
                "its name has {} addresses ({}), which may be as many servers: name each server, or write its address",
                list.len(),
                list.join(", ")
            )))
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
    #[allow(clippy::disallowed_methods, reason = "where the time since the server told its own begins")]
    let asked_at = Instant::now();
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
        if let Some(greeting) = settings::read(&answer).map_err(Problem::Unsuitable)? {
            let clock = ServerClock::new(greeting.time, asked_at);
            return Ok(Opened { stream, settings: greeting.settings, clock });
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
    Unsuitable(Unfit),
}

impl Problem {
    pub(crate) fn timed_out() -> Self {
        Self::Failed(io::ErrorKind::TimedOut.into())
    }

    /// Whether the server itself says that it takes no sessions as it was started.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Unsuitable(Unfit { is_memcached: true, .. }))
    }

    /// The error of opening a store on the server at this address.
    pub(crate) fn at(self, address: &Address) -> OpenError {
        let cannot_reach =
            |reason: &str| OpenError::unavailable(format!("cannot reach memcached at {address}: {reason}"));
        match self {
            Self::Failed(error) => cannot_reach(&format!("{error}; is it running?")),
            Self::Crowded => cannot_reach(CROWDED),
            Self::Unsuitable(Unfit { reason, .. }) => {
                OpenError::refused(format!("memcached at {address} cannot keep sessions: {reason}"))
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "no connection: {error}"),
            Self::Crowded => write!(f, "no connection: {CROWDED}"),
            Self::Unsuitable(unfit) => write!(f, "the server cannot keep sessions: {}", unfit.reason),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

const CROWDED: &str = "it has as many connections as it takes: start it with a larger -c";
/// How long a name is asked for, before the address is tried that was good until now.
pub(crate) const LONGEST_LOOKUP: Duration = Duration::from_millis(250);
/// How long it may take to connect again, from the address on.
pub(crate) const LONGEST_ATTEMPT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
