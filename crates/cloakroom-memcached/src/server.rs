//! One server: the connection to it, made anew whenever it ends.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::ConnectError;
use crate::address::{Address, seed};
use crate::connection::{Connection, Lost, drive};
use crate::deadline::Deadline;
use crate::settings::{self, Settings};

/// One server of a store.
#[derive(Debug)]
pub(crate) struct Server {
    address: Address,
    seed: u64,
    may_evict: bool,
    state: watch::Receiver<State>,
    task: AbortHandle,
}

/// Whether there is a connection.
#[derive(Clone, Debug)]
enum State {
    Up(Arc<Connection>),
    /// It ended; the first attempt to make it anew is not over.
    Renewing,
    /// The last attempt failed; there will be others.
    Down(Arc<str>),
}

impl Server {
    pub(crate) async fn connect(address: Address, deadline: Duration) -> Result<Self, ConnectError> {
        let (stream, settings) = match timeout(deadline, open(&address)).await {
            Ok(opened) => opened.map_err(|problem| problem.at(&address))?,
            Err(_) => return Err(Problem::Failed(io::ErrorKind::TimedOut.into()).at(&address)),
        };
        let (connection, queue) = Connection::new(settings);
        let (tell, state) = watch::channel(State::Up(Arc::new(connection)));
        let task = tokio::spawn({
            let address = address.clone();
            async move {
                drive(stream, queue, settings, deadline).await;
                keep_up(&address, &tell, deadline).await;
            }
        });
        let seed = seed(&address);
        Ok(Self { address, seed, may_evict: settings.may_evict, state, task: task.abort_handle() })
    }

    /// The connection, or why there is none. An outage is told at once; only while a connection that just ended is
    /// made anew, callers wait for that.
    pub(crate) async fn connection(&self, deadline: &mut Deadline) -> Result<Arc<Connection>, Lost> {
        if let State::Up(connection) = &*self.state.borrow()
            && !connection.is_closed()
        {
            return Ok(Arc::clone(connection));
        }
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| match state {
            State::Up(connection) => !connection.is_closed(),
            State::Renewing => false,
            State::Down(_) => true,
        });
        match deadline.bound(settled).await {
            Some(Ok(state)) => match &*state {
                State::Up(connection) => Ok(Arc::clone(connection)),
                State::Down(why) => Err(Lost::unsent(Arc::clone(why))),
                State::Renewing => Err(Lost::unsent("there is no connection")),
            },
            Some(Err(_)) => Err(Lost::unsent("the runtime that the store was connected on is gone")),
            None => Err(Lost::unsent("no connection in time")),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// See [`seed`].
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn may_evict(&self) -> bool {
        self.may_evict
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes the connection anew whenever it ended, for ever.
async fn keep_up(address: &Address, tell: &watch::Sender<State>, patience: Duration) {
    loop {
        tell.send_replace(State::Renewing);
        let mut pause = SHORTEST_PAUSE;
        let (stream, settings) = loop {
            let problem = match timeout(LONGEST_ATTEMPT, open(address)).await {
                Ok(Ok(opened)) => break opened,
                Ok(Err(problem)) => problem,
                Err(_) => Problem::Failed(io::ErrorKind::TimedOut.into()),
            };
            tell.send_replace(State::Down(problem.to_string().into()));
            sleep(jittered(pause)).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        };
        let (connection, queue) = Connection::new(settings);
        tell.send_replace(State::Up(Arc::new(connection)));
        drive(stream, queue, settings, patience).await;
    }
}

/// Connects, and asks the server what it is.
async fn open(address: &Address) -> Result<(Box<dyn Stream>, Settings), Problem> {
    let mut stream: Box<dyn Stream> = match address {
        Address::Tcp(at) => {
            let stream = TcpStream::connect(at).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        #[cfg(unix)]
        Address::Unix(path) => Box::new(tokio::net::UnixStream::connect(path).await?),
        #[cfg(not(unix))]
        Address::Unix(_) => return Err(io::Error::from(io::ErrorKind::Unsupported).into()),
    };
    stream.write_all(settings::QUESTION).await?;
    let mut answer = Vec::with_capacity(4_096);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(settings) = settings::read(&answer).map_err(Problem::Unsuitable)? {
            return Ok((stream, settings));
        }
    }
}

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no connection.
#[derive(Debug)]
enum Problem {
    Failed(io::Error),
    Unsuitable(String),
}

impl Problem {
    fn at(self, address: &Address) -> ConnectError {
        let server = address.to_string();
        match self {
            Self::Failed(error) => ConnectError::Unreachable { server, reason: error.to_string() },
            Self::Unsuitable(reason) => ConnectError::Unsuitable { server, reason },
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "no connection: {error}"),
            Self::Unsuitable(reason) => write!(f, "the server cannot keep sessions: {reason}"),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Between half and the whole of `pause`, so that many who wait do not come back in step. The seeds that the standard library
/// gives every hasher are random enough for that.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let dice = RandomState::new().hash_one(0) as u32;
    pause.mul_f64(0.5 + 0.5 * f64::from(dice) / f64::from(u32::MAX))
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_ATTEMPT: Duration = Duration::from_secs(1);
// Service resumes within two seconds of the server's return.
const _: () = assert!(LONGEST_PAUSE.as_millis() + LONGEST_ATTEMPT.as_millis() < 2_000);
