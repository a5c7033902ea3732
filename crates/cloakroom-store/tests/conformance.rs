//! The suite as an outside author uses it, over the reference store, in all its forms.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::{Arc, Mutex};

use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_store::conformance::{CHECKS, Facet, Foreign, Harness, Outcome, block_on, suite};
use cloakroom_store::{BoxFuture, DynStore, Facets, Key, Record, Result, Revision, Store, Timestamp};

mod in_memory {
    cloakroom_store::conformance::suite!(
        facets = [Leases, Subjects, Scan, Notices],
        impossible = [plant, reopen],
        store = super::ReferenceStore::new(),
    );
}

mod kept {
    super::suite!(harness = super::Kept::default());
}

mod without_facets {
    super::suite!(
        facets = [],
        impossible = [plant, reopen],
        store = super::Bare(super::ReferenceStore::new()),
    );
}

struct Kept(Mutex<ReferenceStore>);

impl Default for Kept {
    fn default() -> Self {
        Self(Mutex::new(ReferenceStore::new()))
    }
}

impl Harness for Kept {
    fn store(&self) -> Arc<dyn DynStore> {
        Arc::new(self.0.lock().unwrap().clone())
    }

    fn facets(&self) -> &[Facet] {
        &[Facet::Leases, Facet::Subjects, Facet::Scan, Facet::Notices]
    }

    fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let store = self.0.lock().unwrap();
            let bytes = match foreign {
                Foreign::Bytes(bytes) => bytes,
                Foreign::CopyOf(other) => store.bytes(&other).expect("it was created"),
                _ => return Outcome::Impossible,
            };
            store.plant(key, bytes);
            Outcome::Done
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let mut store = self.0.lock().unwrap();
            *store = store.reopen();
            Outcome::Done
        })
    }
}

#[test]
fn there_are_no_fewer_checks_than_there_were() {
    assert!(CHECKS.len() >= 150, "{}", CHECKS.len());
}

#[test]
fn every_public_check_is_in_the_list() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/conformance");
    let mut written = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let group = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            if let Some((name, _)) = line.strip_prefix("pub async fn ").and_then(|line| line.split_once('('))
            {
                written.push(format!("{group}::{name}"));
            }
        }
    }
    let mut listed: Vec<_> = CHECKS.iter().map(|check| format!("{check:?}")).collect();
    written.sort();
    listed.sort();
    assert_eq!(written, listed);
}

#[test]
fn a_checks_name_is_unique() {
    let mut names: Vec<_> = CHECKS.iter().map(|check| check.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CHECKS.len());
}

/// A store without any facet.
#[derive(Debug)]
struct Bare(ReferenceStore);

impl Store for Bare {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        Store::create(&self.0, key, record, now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        Store::load(&self.0, key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        Store::replace(&self.0, key, record, expected, now).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        Store::touch(&self.0, key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        Store::delete(&self.0, key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        Store::purge(&self.0, cutoff, limit).await
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none()
    }
}

/// The form with a test attribute that takes an `async fn`, as a runtime's does, and a `spawn` of its own. There is no
/// such attribute without a runtime: this one takes its tests away, and what is left of the form is run by hand.
mod with_a_runtime {
    use super::{BoxFuture, block_on};

    cloakroom_store::conformance::suite!(
        test = #[cfg(any())],
        spawn = spawn,
        facets = [Leases, Subjects, Scan, Notices],
        impossible = [plant, reopen],
        store = super::ReferenceStore::new(),
    );

    fn spawn(task: BoxFuture<'static, ()>) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || block_on(task))
    }

    #[test]
    fn its_harness_runs_the_checks() {
        block_on(async {
            for check in super::CHECKS {
                check.run(&cloakroom_harness().await).await;
            }
        });
    }
}
