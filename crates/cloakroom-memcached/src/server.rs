//! One server: the connection to it, made anew whenever it ends.

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::ConnectError;
use crate::address::{Address, seed};
use crate::connection::{Call, Connection, Lost, drive};
use crate::deadline::Deadline;
use crate::open::{LONGEST_ATTEMPT, Opened, Place, Problem};
use crate::resolve::LONGEST_LOOKUP;

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
    /// The last attempt failed, or the connection was good for nothing; there will be others.
    Down(Arc<str>),
}

impl Server {
    pub(crate) async fn connect(address: Address, deadline: Duration) -> Result<Self, ConnectError> {
        let found =
            timeout(deadline, Place::find(&address)).await.unwrap_or_else(|_| Err(Problem::timed_out()));
        let (place, opened) = found.map_err(|problem| problem.at(&address))?;
        let settings = opened.settings;
        let (connection, queue) = Connection::new(settings);
        let (tell, state) = watch::channel(State::Up(Arc::new(connection)));
        let patience = deadline.min(LONGEST_SILENCE);
        let task = tokio::spawn(async move { keep_up(place, opened, queue, &tell, patience).await });
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

/// Carries calls over the connection, and makes it anew whenever it ended, for ever.
async fn keep_up(
    mut place: Place,
    mut opened: Opened,
    mut queue: mpsc::Receiver<Call>,
    tell: &watch::Sender<State>,
    patience: Duration,
) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        if live(opened, queue, patience).await {
            pause = SHORTEST_PAUSE;
            tell.send_replace(State::Renewing);
        } else {
            be_down(tell, "the server ends connections as soon as they are made", &mut pause).await;
        }
        opened = loop {
            match place.open_again().await {
                Ok(opened) => break opened,
                Err(problem) => be_down(tell, problem.to_string(), &mut pause).await,
            }
        };
        let connection;
        (connection, queue) = Connection::new(opened.settings);
        tell.send_replace(State::Up(Arc::new(connection)));
    }
}

/// The whole life of one connection. Whether it was good for something: the server answered, or it lasted for a while. Else
/// the next one is likely to end as quickly.
async fn live(opened: Opened, queue: mpsc::Receiver<Call>, patience: Duration) -> bool {
    let mut life = pin!(drive(opened.stream, queue, opened.settings, patience));
    tokio::select! {
        answered = &mut life => answered,
        () = sleep(A_WHILE) => {
            life.await;
            true
        }
    }
}

/// Lets the callers know, and waits: for longer each time.
async fn be_down(tell: &watch::Sender<State>, why: impl Into<Arc<str>>, pause: &mut Duration) {
    tell.send_replace(State::Down(why.into()));
    sleep(jittered(*pause)).await;
    *pause = (2 * *pause).min(LONGEST_PAUSE);
}

/// Between half and the whole of `pause`, so that many who wait do not come back in step. The seeds that the standard library
/// gives every hasher are random enough for that.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let dice = RandomState::new().hash_one(0) as u32;
    pause.mul_f64(0.5 + 0.5 * f64::from(dice) / f64::from(u32::MAX))
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const A_WHILE: Duration = Duration::from_secs(1);
/// Shorter than the two seconds that the engine waits for a store, so that one call finds out and not each.
const LONGEST_SILENCE: Duration = Duration::from_millis(1_500);
// Service resumes within two seconds of the server's return.
const _: () =
    assert!(LONGEST_PAUSE.as_millis() + LONGEST_LOOKUP.as_millis() + LONGEST_ATTEMPT.as_millis() < 2_000);

#[cfg(test)]
mod tests;
