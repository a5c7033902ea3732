//! The one thread that writes, and the queue in front of it.
//!
//! Group commit: while one batch is being synced the next one gathers in the queue. A batch is one write
//! transaction and one sync, and every change in it is answered on its own after that.

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use cloakroom_store::{Error, OpenError, Result, Timestamp};
use redb::{Database, Durability};

use crate::change::{Change, Effect, Tables};
use crate::reply::{self, Reply};

/// How many changes may wait. More than an engine sends while it waits for its own deadlines; a disk that
/// stands still must not fill the memory.
pub(crate) const QUEUE: usize = 8_192;
/// How many changes one transaction covers at most.
pub(crate) const BATCH: usize = 1_024;
/// How many commits without a sync there may be in a row. Long runs make the next sync slow.
pub(crate) const UNSYNCED_COMMITS: usize = 256;
/// How long touches may stay unsynced: on the callers' clock while there is traffic, then in idle time.
pub(crate) const UNSYNCED_TIME: Duration = Duration::from_secs(1);

/// The open file; `None` after a failure, until it was opened again, and after the writer ended.
pub(crate) type File = Arc<RwLock<Option<Database>>>;

/// How to open the file again after a failure.
pub(crate) type Reopen = Box<dyn Fn() -> std::result::Result<Database, OpenError> + Send>;

/// The way to the writer. Dropped, it waits until everything queued was written and the file is closed.
pub(crate) struct Writer {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(file: File, reopen: Reopen) -> io::Result<Self> {
        let (queue, jobs) = mpsc::sync_channel(QUEUE);
        let worker = Worker { file, reopen, jobs, batch: Vec::new(), unsynced: Unsynced::default() };
        let thread = thread::Builder::new().name("cloakroom-redb".into()).spawn(|| worker.run())?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Has a change made. Once queued it runs to its end, whether anybody still waits for it or not.
    pub(crate) async fn change(&self, change: Change) -> Result<usize> {
        let (reply, answer) = reply::channel();
        let Some(queue) = &self.queue else { return Err(stopped()) };
        match queue.try_send(Job { change, reply }) {
            Ok(()) => answer.await,
            Err(TrySendError::Full(_)) => {
                Err(Error::unavailable("too many changes wait for the disk already"))
            }
            Err(TrySendError::Disconnected(_)) => Err(stopped()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            // An executor may drop the last handle in a waker, which runs on the writer itself.
            && thread.thread().id() != thread::current().id()
        {
            // An Err says that the writer panicked, which every caller was told.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

pub(crate) fn stopped() -> Error {
    Error::unavailable("the writer thread stopped")
}

struct Job {
    change: Change,
    reply: Reply,
}

struct Worker {
    file: File,
    reopen: Reopen,
    jobs: Receiver<Job>,
    batch: Vec<Job>,
    unsynced: Unsynced,
}

/// The end of the thread, by a panic too. The file is closed first; the replies that are still
/// owed, fields of this, go out after that: nobody reads old data after "the change may have been made".
impl Drop for Worker {
    fn drop(&mut self) {
        self.close();
    }
}

impl Worker {
    fn run(mut self) {
        while self.gather() {
            let outcome = match self.reopen_if_closed() {
                Ok(()) => self.write(),
                Err(failure) => Err(failure),
            };
            if outcome.is_err() {
                // What the open file shows is not to be trusted now. Closed, it is opened and repaired by the
                // next call, which settles what became of the commit.
                self.close();
            }
            self.answer(outcome);
        }
    }

    /// Waits for something to do; false when there will be nothing any more.
    fn gather(&mut self) -> bool {
        let first = if self.unsynced.is_empty() {
            self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            self.jobs.recv_timeout(UNSYNCED_TIME)
        };
        match first {
            Ok(job) => self.batch.push(job),
            // An empty batch syncs what is unsynced.
            Err(RecvTimeoutError::Timeout) => return true,
            // Closing the file syncs what is unsynced.
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        self.batch.extend(self.jobs.try_iter().take(BATCH - 1));
        true
    }

    fn reopen_if_closed(&self) -> std::result::Result<(), Failure> {
        let closed = self.file.read().unwrap_or_else(PoisonError::into_inner).is_none();
        if closed {
            // A repair may take long: readers are told that the file is closed and do not wait for the lock.
            let file = (self.reopen)().map_err(Failure::before_commit)?;
            *self.file.write().unwrap_or_else(PoisonError::into_inner) = Some(file);
        }
        Ok(())
    }

    fn close(&mut self) {
        // What was unsynced is decided by the file itself when it is opened again.
        self.unsynced = Unsynced::default();
        let file = self.file.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(file);
    }

    /// Makes every change of the batch in one transaction, and answers them all or none.
    fn write(&mut self) -> std::result::Result<Vec<Result<usize>>, Failure> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let file = file.as_ref().ok_or_else(|| Failure::before_commit("the file is closed"))?;
        let mut transaction = file.begin_write().map_err(Failure::before_commit)?;

        let mut answers = Vec::with_capacity(self.batch.len());
        let mut effect = if self.batch.is_empty() { Effect::Changed } else { Effect::Nothing };
        let mut tables = Tables::open(&transaction).map_err(Failure::before_commit)?;
        for job in &self.batch {
            let done = tables.apply(&job.change).map_err(Failure::before_commit)?;
            if let Ok(done) = &done {
                effect = effect.max(done.effect);
            }
            answers.push(done.map(|done| done.records));
        }
        drop(tables);

        match effect {
            Effect::Nothing => {
                transaction.abort().map_err(Failure::before_commit)?;
                return Ok(answers);
            }
            Effect::Touched(now) if self.unsynced.admits(now) => {
                transaction.set_durability(Durability::None).map_err(Failure::before_commit)?;
                self.unsynced.add(now);
            }
            Effect::Touched(_) | Effect::Changed => self.unsynced = Unsynced::default(),
        }
        transaction.commit().map_err(Failure::in_commit)?;
        Ok(answers)
    }

    fn answer(&mut self, outcome: std::result::Result<Vec<Result<usize>>, Failure>) {
        let jobs = mem::take(&mut self.batch).into_iter();
        match outcome {
            Ok(answers) => jobs.zip(answers).for_each(|(job, answer)| job.reply.send(answer)),
            Err(failure) => jobs.for_each(|job| job.reply.send(Err(failure.to_error()))),
        }
    }
}

/// The touches that are committed and not synced.
#[derive(Debug, Default)]
struct Unsynced {
    commits: usize,
    since: Timestamp,
}

impl Unsynced {
    fn is_empty(&self) -> bool {
        self.commits == 0
    }

    fn admits(&self, now: Timestamp) -> bool {
        self.is_empty() || (self.commits < UNSYNCED_COMMITS && now.since(self.since) < UNSYNCED_TIME)
    }

    fn add(&mut self, now: Timestamp) {
        if self.is_empty() {
            self.since = now;
        }
        self.commits += 1;
    }
}

/// Why a whole batch failed.
struct Failure {
    maybe_applied: bool,
    source: Arc<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    /// Nothing of the batch can have reached the file's state.
    fn before_commit(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { maybe_applied: false, source: source.into().into() }
    }

    /// redb applied all of it or nothing, and only reopening the file tells which.
    fn in_commit(source: redb::CommitError) -> Self {
        Self { maybe_applied: true, source: Arc::new(source) }
    }

    fn to_error(&self) -> Error {
        let source = Shared(Arc::clone(&self.source));
        if self.maybe_applied { Error::maybe_applied(source) } else { Error::unavailable(source) }
    }
}

/// One cause, told to every caller of the batch.
#[derive(Debug)]
struct Shared(Arc<dyn std::error::Error + Send + Sync>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
