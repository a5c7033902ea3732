//! Every check has been seen red: for each there is a store, broken on purpose, that fails it. For each broken store
//! the table says exactly which checks see it.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test of its own: nothing is public, and a panic is an answer"
)]

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use broken::{Broken, Fault, Memory, SEEN_BY, nap};
use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_store::conformance::{CHECKS, Check, Expiry, Facet, Foreign, Harness, Outcome, block_on};
use cloakroom_store::{BoxFuture, DynStore, Key, decode, encode};

mod broken;

#[test]
fn each_broken_store_fails_the_checks_of_what_is_broken_and_no_others() {
    // Hundreds of checks fail here, as they should.
    let report = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let failed = run_all();
    panic::set_hook(report);
    let mut wrong = Vec::new();
    for (fault, failed) in Fault::ALL.iter().zip(&failed) {
        let expected: BTreeSet<_> = seen_by(*fault).collect();
        if *failed != expected {
            wrong.push(format!("{fault:?}: fails {failed:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_is_failed_by_some_broken_store() {
    let seen: BTreeSet<_> = Fault::ALL.iter().flat_map(|fault| seen_by(*fault)).collect();
    let never: Vec<_> = CHECKS.iter().filter(|check| !seen.contains(check.name())).collect();
    assert!(never.is_empty(), "never seen red: {never:?}");
}

/// The names of the checks that shall see this fault, whole groups resolved.
fn seen_by(fault: Fault) -> impl Iterator<Item = &'static str> {
    let entries: Vec<_> = SEEN_BY.iter().filter(|(seen, _)| *seen == fault).collect();
    assert!(entries.len() == 1, "{fault:?} is in the table once");
    entries[0].1.iter().flat_map(|entry| {
        let checks: Vec<_> = match entry.strip_suffix("::*") {
            Some(group) => CHECKS.iter().filter(|check| check.group() == group).collect(),
            None => CHECKS.iter().filter(|check| check.name() == *entry).collect(),
        };
        assert!(!checks.is_empty(), "no check is called {entry}");
        checks.into_iter().map(Check::name)
    })
}

/// The names of the failed checks for each fault.
fn run_all() -> Vec<BTreeSet<&'static str>> {
    let results = Mutex::new(vec![BTreeSet::new(); Fault::ALL.len()]);
    let jobs = Fault::ALL.iter().flat_map(|fault| CHECKS.iter().map(move |check| (*fault, check)));
    let jobs = Mutex::new(jobs);
    let next = || jobs.lock().unwrap().next();
    thread::scope(|scope| {
        // Some wait for a call that hangs: more threads than processors.
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((fault, check)) = next() {
                    if !passes(check, fault) {
                        results.lock().unwrap()[fault as usize].insert(check.name());
                    }
                }
            });
        }
    });
    results.into_inner().unwrap()
}

fn passes(check: &Check, fault: Fault) -> bool {
    panic::catch_unwind(AssertUnwindSafe(|| block_on(check.run(&Bench::new(fault))))).is_ok()
}

/// The harness of a broken store.
struct Bench {
    fault: Fault,
    store: Mutex<ReferenceStore>,
    memory: Arc<Mutex<Memory>>,
    tasks: Mutex<mpsc::Sender<BoxFuture<'static, ()>>>,
}

impl Bench {
    fn new(fault: Fault) -> Self {
        let (tasks, spawned) = mpsc::channel();
        thread::spawn(move || run_interleaved(&spawned));
        Self { fault, store: Mutex::default(), memory: Arc::default(), tasks: Mutex::new(tasks) }
    }

    fn inner(&self) -> ReferenceStore {
        self.store.lock().unwrap().clone()
    }
}

impl Harness for Bench {
    fn store(&self) -> Arc<dyn DynStore> {
        Arc::new(Broken::new(self.fault, self.inner(), Arc::clone(&self.memory)))
    }

    fn facets(&self) -> &[Facet] {
        match self.fault {
            Fault::ListsNoLeases => &[Facet::Subjects, Facet::Scan, Facet::Notices],
            Fault::ListsNoSubjects => &[Facet::Leases, Facet::Scan, Facet::Notices],
            Fault::ListsNoScan => &[Facet::Leases, Facet::Subjects, Facet::Notices],
            Fault::ListsNoNotices => &[Facet::Leases, Facet::Subjects, Facet::Scan],
            _ => &[Facet::Leases, Facet::Subjects, Facet::Scan, Facet::Notices],
        }
    }

    fn expiry(&self) -> Expiry {
        if self.fault.says_native_expiry() { Expiry::Native } else { Expiry::Purged }
    }

    fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let bytes = match foreign {
                Foreign::Bytes(bytes) => bytes,
                Foreign::CopyOf(other) => self.inner().bytes(&other).expect("it was created"),
                _ => return Outcome::Impossible,
            };
            self.inner().plant(key, bytes);
            self.memory.lock().unwrap().planted.push(key);
            Outcome::Done
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let reopened = self.inner().reopen();
            let mut memory = self.memory.lock().unwrap();
            memory.restarted = true;
            match self.fault {
                Fault::RestartLosesReplaces => {
                    memory.replaced.iter().for_each(|(key, old)| reopened.plant(*key, encode(key, old)));
                }
                Fault::RestartLosesTouches => {
                    for (key, created) in &memory.created {
                        if let Some(mut record) =
                            reopened.bytes(key).and_then(|bytes| decode(key, &bytes).ok())
                            && record.revision == created.revision
                        {
                            record.expires_at = created.expires_at;
                            reopened.plant(*key, encode(key, &record));
                        }
                    }
                }
                Fault::RestartBringsBackTheRemoved => {
                    memory.removed.iter().for_each(|(key, old)| reopened.plant(*key, encode(key, old)));
                }
                _ => {}
            }
            *self.store.lock().unwrap() = reopened;
            Outcome::Done
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tasks.lock().unwrap().send(task).expect("the thread runs as long as the bench is there");
    }

    /// Short times pass twenty times faster, where no clock is involved. The suite's patience is left alone, so that a busy machine is never taken
    /// for a call that hangs.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let real = self.fault.says_native_expiry() || duration >= Duration::from_secs(5);
        let duration = if real { duration } else { duration / 20 };
        Box::pin(nap(duration))
    }
}

/// Polls the tasks of one race in turn on one thread: a fault that only real threads could show would be seen now and
/// then only, and starting 20 threads for each of 10,000 races takes a while.
fn run_interleaved(spawned: &mpsc::Receiver<BoxFuture<'static, ()>>) {
    let mut cx = Context::from_waker(Waker::noop());
    while let Ok(first) = spawned.recv() {
        let mut running = vec![first];
        while !running.is_empty() {
            running.extend(spawned.try_iter());
            running.retain_mut(|task| {
                panic::catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut cx).is_pending()))
                    .unwrap_or(false)
            });
        }
    }
}
