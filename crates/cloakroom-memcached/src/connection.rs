//! One connection: requests go out as they come, answers come back in the same order.
//!
//! Invariant: an answer is handed to the request it names, or the connection ends. A caller that went away changes nothing
//! about that: its answer is read all the same, and dropped.

use std::collections::VecDeque;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloakroom_store::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep};

use crate::lifetime::{Lifetime, ServerClock};
use crate::protocol::{Command, Expected, Kind, NOOP, Outcome, encode, read_answer};
use crate::settings::Settings;

/// The callers' end of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    calls: mpsc::Sender<Call>,
    numbers: AtomicU64,
    settings: Settings,
    clock: ServerClock,
}

impl Connection {
    /// A connection to a server with these settings and this clock, and what [`drive`] takes to bring it to life.
    pub(crate) fn new(settings: Settings, clock: ServerClock) -> (Self, mpsc::Receiver<Call>) {
        let (calls, queue) = mpsc::channel(LONGEST_QUEUE);
        (Self { calls, numbers: AtomicU64::new(1), settings, clock }, queue)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.calls.is_closed()
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings
    }

    /// What the server is sent as the expiry of an item that it is to keep for so long.
    pub(crate) fn expiry(&self, lifetime: Lifetime) -> i32 {
        #[allow(clippy::disallowed_methods, reason = "how long ago the server told its time")]
        self.clock.expiry(lifetime, Instant::now())
    }

    /// Sends the command once and waits for its answer.
    pub(crate) async fn call(
        &self,
        key: &str,
        command: &Command<'_>,
        deadline: &mut Deadline,
    ) -> Result<Outcome, Lost> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let call = Call {
            bytes: encode(command, key, number),
            expected: Expected { kind: command.kind(), key: key.into(), number },
            reply,
        };
        match deadline.bound(self.calls.send(call)).await {
            Some(Ok(())) => {}
            Some(Err(_)) => return Err(Lost::unsent("the connection is closed")),
            None => return Err(Lost::unsent("too many requests wait for this server")),
        }
        match deadline.bound(answer).await {
            Some(answer) => answer.unwrap_or_else(|_| Err(Lost::unanswered("the connection is gone"))),
            None => Err(Lost::unanswered("no answer in time")),
        }
    }
}

/// The time that one call has, for all its steps together.
#[derive(Debug)]
pub(crate) struct Deadline(Pin<Box<Sleep>>);

impl Deadline {
    /// The call ends this long from now.
    pub(crate) fn after(time: Duration) -> Self {
        Self(Box::pin(sleep(time)))
    }

    /// Returns what the step returns, or `None` if the time is over before.
    pub(crate) async fn bound<T>(&mut self, step: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = step => Some(result),
            () = &mut self.0 => None,
        }
    }
}

/// A request on its way, and the caller that waits for its answer.
#[derive(Debug)]
pub(crate) struct Call {
    bytes: Vec<u8>,
    expected: Expected,
    reply: oneshot::Sender<Result<Outcome, Lost>>,
}

/// There is no answer to a request.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) effect: Effect,
    why: Arc<str>,
}

/// Whether a request without an answer may have had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The server has not seen it.
    None,
    /// The server may have seen it.
    Maybe,
    /// The server has not seen it, and takes none as it was started.
    Refused,
}

impl Lost {
    pub(crate) fn unsent(why: impl Into<Arc<str>>) -> Self {
        Self { effect: Effect::None, why: why.into() }
    }

    pub(crate) fn refused(why: impl Into<Arc<str>>) -> Self {
        Self { effect: Effect::Refused, why: why.into() }
    }

    fn unanswered(why: impl Into<Arc<str>>) -> Self {
        Self { effect: Effect::Maybe, why: why.into() }
    }

    /// The error of a call that changes nothing.
    pub(crate) fn of_read(self) -> Error {
        match self.effect {
            Effect::None | Effect::Maybe => Error::unavailable(self),
            Effect::Refused => Error::refused(self),
        }
    }

    /// The error of a call that changes something.
    pub(crate) fn of_write(self) -> Error {
        match self.effect {
            Effect::None => Error::unavailable(self),
            Effect::Maybe => Error::maybe_applied(self),
            Effect::Refused => Error::refused(self),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Lost {}

/// Carries requests and answers over `stream` until it breaks, gets out of step, or is silent for `patience` although an answer is
/// due; now and then one is asked for. Then no request is left without a reply. Returns whether the server ever answered.
pub(crate) async fn drive(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Call>,
    settings: Settings,
    patience: Duration,
) -> bool {
    let mut wire = Wire { largest: settings.largest_item, ..Wire::default() };
    let why: Arc<str> = wire.carry(stream, &mut queue, patience).await.into();
    queue.close();
    for waiting in wire.waiting {
        let was_sent = waiting.begins < wire.sent;
        let lost = if was_sent { Lost::unanswered(Arc::clone(&why)) } else { Lost::unsent(Arc::clone(&why)) };
        let _ = waiting.reply.send(Err(lost));
    }
    while let Some(call) = queue.recv().await {
        let _ = call.reply.send(Err(Lost::unsent(Arc::clone(&why))));
    }
    wire.answered
}

/// What is under way in both directions.
#[derive(Default)]
struct Wire {
    /// Bytes to send.
    out: VecDeque<u8>,
    /// How many bytes were ever put into `out`, and how many of them were sent.
    put: u64,
    sent: u64,
    /// In the order of their requests in `out`.
    waiting: VecDeque<Waiting>,
    /// Bytes received that are no complete answer yet.
    input: Vec<u8>,
    largest: usize,
    /// Whether any answer came.
    answered: bool,
}

struct Waiting {
    /// How many bytes were put before the request's.
    begins: u64,
    expected: Expected,
    reply: oneshot::Sender<Result<Outcome, Lost>>,
}

impl Wire {
    /// Returns why it ended.
    async fn carry(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        queue: &mut mpsc::Receiver<Call>,
        patience: Duration,
    ) -> String {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut silence = pin!(sleep(LONGEST_IDLENESS));
        let mut calls = Vec::with_capacity(MOST_AT_ONCE);
        loop {
            self.input.reserve(READ_LEN);
            tokio::select! {
                count = queue.recv_many(&mut calls, MOST_AT_ONCE), if self.out.len() < ENOUGH_TO_SEND => {
                    if count == 0 {
                        return "the store was closed".into();
                    }
                    if self.is_idle() {
                        silence.set(sleep(patience));
                    }
                    calls.drain(..).for_each(|call| self.put(call));
                }
                sent = writer.write(self.out.as_slices().0), if !self.out.is_empty() => match sent {
                    Ok(count) => self.sent(count),
                    Err(error) => return format!("the connection broke: {error}"),
                },
                received = reader.read_buf(&mut self.input) => match received {
                    Ok(0) => return "the server closed the connection".into(),
                    Ok(_) => {
                        if let Err(why) = self.deliver() {
                            return why;
                        }
                        silence.set(sleep(if self.is_idle() { LONGEST_IDLENESS } else { patience }));
                    }
                    Err(error) => return format!("the connection broke: {error}"),
                },
                () = &mut silence => {
                    if !self.is_idle() {
                        return "the server does not answer".into();
                    }
                    self.put_noop();
                    silence.set(sleep(patience));
                }
            }
        }
    }

    /// Whether the server owes nothing. It does while there is more to send, answered already or not: it has to read that.
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.out.is_empty()
    }

    /// A call whose caller has gone away is not sent.
    fn put(&mut self, call: Call) {
        if call.reply.is_closed() {
            return;
        }
        self.waiting.push_back(Waiting { begins: self.put, expected: call.expected, reply: call.reply });
        self.put += call.bytes.len() as u64;
        self.out.extend(call.bytes);
    }

    /// Asks whether the server is still there. Otherwise the next caller would notice, and wait for, a
    /// peer that went away silently.
    fn put_noop(&mut self) {
        let (reply, _) = oneshot::channel();
        let expected = Expected { kind: Kind::Noop, key: "".into(), number: 0 };
        self.waiting.push_back(Waiting { begins: self.put, expected, reply });
        self.put += NOOP.len() as u64;
        self.out.extend(NOOP);
    }

    fn sent(&mut self, count: usize) {
        self.sent += count as u64;
        self.out.drain(..count);
        if self.out.is_empty() {
            self.out.shrink_to(MOST_KEPT);
        }
    }

    /// Hands out the answers that are complete.
    fn deliver(&mut self) -> Result<(), String> {
        let mut used = 0;
        while used < self.input.len() {
            let waiting = self.waiting.front().filter(|waiting| waiting.begins < self.sent);
            let waiting = waiting.ok_or("the server answered without being asked")?;
            let answer = read_answer(&self.input[used..], &waiting.expected, self.largest)
                .map_err(|wrong| format!("the server is out of step: {}", wrong.0))?;
            let Some((outcome, len)) = answer else { break };
            used += len;
            self.answered = true;
            if let Some(waiting) = self.waiting.pop_front() {
                let _ = waiting.reply.send(Ok(outcome));
            }
        }
        self.input.drain(..used);
        if self.input.is_empty() {
            self.input.shrink_to(MOST_KEPT);
        }
        Ok(())
    }
}

/// Requests that wait to be put on the wire.
const LONGEST_QUEUE: usize = 1_024;
const MOST_AT_ONCE: usize = 64;
/// No more requests are taken while so many bytes wait to be sent.
const ENOUGH_TO_SEND: usize = 64 << 10;
const READ_LEN: usize = 16 << 10;
/// How much memory a buffer keeps when it is empty.
const MOST_KEPT: usize = 64 << 10;
/// How long a connection may be used for nothing until the server is asked whether it is there.
const LONGEST_IDLENESS: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
