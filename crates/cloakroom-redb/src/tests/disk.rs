//! A disk made of bytes that remembers everything that was done to it, and fails on request.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
pub(super) struct State {
    bytes: Vec<u8>,
    pub(super) log: Vec<Event>,
    pub(super) syncs: usize,
    fault: Option<Fault>,
    /// From this sync on none succeeds.
    last_sync: Option<usize>,
    held: bool,
    /// A sync has come to a halt.
    waiting: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Event {
    Write { offset: usize, data: Vec<u8> },
    Resize(usize),
    Sync,
}

/// What goes wrong from now on, until [`Disk::mend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing can be written: the disk is full.
    Write,
    /// Everything is written and nothing is known to be safe.
    Sync,
    /// Nothing works at all.
    All,
    /// The next write panics.
    Panic,
}

impl Disk {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.state().bytes = bytes;
        disk
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    pub(super) fn syncs(&self) -> usize {
        self.state().syncs
    }

    pub(super) fn break_down(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    /// Everything is written, and only the next `syncs` syncs succeed.
    pub(super) fn break_down_after(&self, syncs: usize) {
        let mut state = self.state();
        state.last_sync = Some(state.syncs + syncs);
    }

    pub(super) fn mend(&self) {
        self.state().fault = None;
    }

    /// Makes every sync wait until the answer is dropped.
    pub(super) fn hold_syncs(&self) -> Held<'_> {
        self.state().held = true;
        Held(self)
    }

    pub(super) fn wait_for_a_held_sync(&self) {
        let state = self.state();
        drop(self.0.1.wait_while(state, |state| !state.waiting).unwrap());
    }

    pub(super) fn wait_for_syncs(&self, syncs: usize) {
        let state = self.state();
        drop(self.0.1.wait_while(state, |state| state.syncs < syncs).unwrap());
    }

    fn check(&self, faults: &[Fault]) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        match state.fault {
            Some(Fault::Panic) if faults.contains(&Fault::Panic) => {
                panic!("the disk panics, as the test asked")
            }
            Some(fault) if faults.contains(&fault) => Err(io::Error::other(format!("{fault:?} fails"))),
            _ => Ok(state),
        }
    }
}

/// The disk stands still. Dropped before the store, so that a failed test does not wait for ever.
pub(super) struct Held<'a>(&'a Disk);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.state().held = false;
        self.0.0.1.notify_all();
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.check(&[Fault::All])?.bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.check(&[Fault::All])?;
        let from = offset as usize;
        let stored = state.bytes.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(stored);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.check(&[Fault::All, Fault::Write])?;
        let event = Event::Resize(len as usize);
        event.apply(&mut state.bytes);
        state.log.push(event);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.check(&[Fault::All, Fault::Write, Fault::Panic])?;
        let event = Event::Write { offset: offset as usize, data: data.to_vec() };
        event.apply(&mut state.bytes);
        state.log.push(event);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.check(&[Fault::All, Fault::Sync])?;
        if state.held {
            state.waiting = true;
            self.0.1.notify_all();
        }
        while state.held {
            state = self.0.1.wait(state).unwrap();
        }
        if state.last_sync.is_some_and(|last| state.syncs >= last) {
            return Err(io::Error::other("no sync succeeds any more"));
        }
        state.syncs += 1;
        state.log.push(Event::Sync);
        self.0.1.notify_all();
        Ok(())
    }
}

impl Event {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => {
                let end = offset + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(data);
            }
            Self::Resize(len) => bytes.resize(*len, 0),
            Self::Sync => {}
        }
    }
}
