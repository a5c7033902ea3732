//! One server: the connection to it, made again whenever it ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::OpenError;
use cloakroom_store::codec::jitter;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::address::{Address, seed};
use crate::connection::{Call, Connection, Deadline, Lost, drive};
use crate::open::{Endpoint, LONGEST_ATTEMPT, LONGEST_LOOKUP, Opened, Problem};

/// One server of a store.
#[derive(Debug)]
pub(crate) struct Server {
    address: Address,
    seed: u64,
    may_evict: bool,
    state: watch::Receiver<ConnectionState>,
    task: AbortHandle,
}

/// Whether there is a connection.
#[derive(Clone, Debug)]
enum ConnectionState {
    Up(Arc<Connection>),
    /// It ended; the first attempt to connect again is not over.
    Renewing,
    /// The last attempt failed, or the connection was good for nothing; there will be others.
    Down(Lost),
}

impl Server {
    pub(crate) async fn connect(address: Address, deadline: Duration) -> Result<Self, OpenError> {
        let found =
            timeout(deadline, Endpoint::find(&address)).await.unwrap_or_else(|_| Err(Problem::timed_out()));
        let (endpoint, opened) = found.map_err(|problem| problem.at(&address))?;
        let settings = opened.settings;
        let (connection, queue) = Connection::new(settings, opened.clock);
        let (tell, state) = watch::channel(ConnectionState::Up(Arc::new(connection)));
        let patience = deadline.min(LONGEST_SILENCE);
        let task =
            tokio::spawn(async move { reconnect_loop(endpoint, opened, queue, &tell, patience).await });
        let seed = seed(&address);
        Ok(Self { address, seed, may_evict: settings.may_evict, state, task: task.abort_handle() })
    }

    /// The connection, or why there is none. An outage is reported at once; callers wait only for the first attempt
    /// after a connection ended.
    pub(crate) async fn connection(&self, deadline: &mut Deadline) -> Result<Arc<Connection>, Lost> {
        if let ConnectionState::Up(connection) = &*self.state.borrow()
            && !connection.is_closed()
        {
            return Ok(Arc::clone(connection));
        }
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| match state {
            ConnectionState::Up(connection) => !connection.is_closed(),
            ConnectionState::Renewing => false,
            ConnectionState::Down(_) => true,
        });
        match deadline.bound(settled).await {
            Some(Ok(state)) => match &*state {
                ConnectionState::Up(connection) => Ok(Arc::clone(connection)),
                ConnectionState::Down(lost) => Err(lost.clone()),
                ConnectionState::Renewing => Err(Lost::unsent("there is no connection")),
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

/// Carries calls over the connection, and connects again whenever it ended, forever.
async fn reconnect_loop(
    mut endpoint: Endpoint,
    mut opened: Opened,
    mut queue: mpsc::Receiver<Call>,
    tell: &watch::Sender<ConnectionState>,
    patience: Duration,
) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        if run(opened, queue, patience).await {
            pause = SHORTEST_PAUSE;
            tell.send_replace(ConnectionState::Renewing);
        } else {
            let lost = Lost::unsent("the server ends connections as soon as they are made");
            mark_down(tell, lost, &mut pause).await;
        }
        opened = loop {
            match endpoint.reopen().await {
                Ok(opened) => break opened,
                Err(problem) => {
                    let why = problem.to_string();
                    let lost = if problem.is_refusal() { Lost::refused(why) } else { Lost::unsent(why) };
                    mark_down(tell, lost, &mut pause).await;
                }
            }
        };
        let connection;
        (connection, queue) = Connection::new(opened.settings, opened.clock);
        tell.send_replace(ConnectionState::Up(Arc::new(connection)));
    }
}

/// The whole life of one connection. Whether it was good for something: the server answered, or it lasted for a while. Else
/// the next one is likely to end as quickly.
async fn run(opened: Opened, queue: mpsc::Receiver<Call>, patience: Duration) -> bool {
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
async fn mark_down(tell: &watch::Sender<ConnectionState>, lost: Lost, pause: &mut Duration) {
    tell.send_replace(ConnectionState::Down(lost));
    sleep(jitter(*pause)).await;
    *pause = (2 * *pause).min(LONGEST_PAUSE);
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
