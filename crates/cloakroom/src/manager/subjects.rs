//! The sessions of one user: listed, ended, limited.

use std::sync::Arc;

use cloakroom_store::{BoxFuture, DynSubjects, ErrorKind as StoreErrorKind, Key, Subject};

use crate::calls::Budget;
use crate::config::OnSubjectLimit;
use crate::engine::{Engine, Written};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::info::{SessionHandle, SessionInfo, SessionTimes};
use crate::lifecycle::{self, Snapshot};

impl Engine {
    pub(super) async fn sessions_of(&self, subject: &Subject) -> Result<Vec<SessionInfo>> {
        let live = self.live(&mut self.budget(), subject).await?;
        let info = |(key, snapshot): (Key, Snapshot)| SessionInfo {
            handle: SessionHandle::new(key),
            subject: subject.clone(),
            times: SessionTimes::of(&snapshot, &self.policy),
        };
        Ok(live.into_iter().map(info).collect())
    }

    /// The user's live sessions, the last sign-in first.
    async fn live(&self, budget: &mut Budget, subject: &Subject) -> Result<Vec<(Key, Snapshot)>> {
        if self.store.subjects().is_none() {
            let detail = "this store does not list the sessions of a subject";
            return Err(Error::with_detail(ErrorKind::Unsupported, detail));
        }
        let of = subject.clone();
        let list = events::StoreCall::new("list", None);
        let records = self.ask_subjects(list, budget, |subjects| subjects.list(of)).await?;
        let now = self.clock.now();
        let mut live: Vec<_> = records
            .into_iter()
            .filter_map(|(key, record)| Some((key, self.read(&key, &record)?)))
            .filter(|(_, snapshot)| snapshot.is_live(now, &self.policy))
            .collect();
        // Of two in the same millisecond the later one, as a rule: a process counts its revisions up.
        let age = |snapshot: &Snapshot| (snapshot.header.authenticated_at, snapshot.revision.get());
        live.sort_by_key(|(key, snapshot)| (std::cmp::Reverse(age(snapshot)), *key));
        Ok(live)
    }

    /// Ends the session under `key` if `condition` holds for it, by the same conditional write as everything else.
    pub(super) async fn end(
        &self,
        budget: &mut Budget,
        key: Key,
        condition: impl Fn(&Snapshot) -> bool,
    ) -> Result<bool> {
        loop {
            let record = match self.load(budget, key).await {
                Err(error) if error.kind() == StoreErrorKind::Corrupt => return Ok(false),
                record => record?,
            };
            let snapshot = record.and_then(|record| self.read(&key, &record));
            let Some(snapshot) = snapshot.filter(|found| !found.header.ended && condition(found)) else {
                return Ok(false);
            };
            let tombstone = self.record(&lifecycle::end(&snapshot, self.clock.now(), &self.policy));
            match self.write(budget, key, &tombstone, Some(snapshot.revision), None).await? {
                Written::Applied => {
                    events::destroyed(&key);
                    return Ok(true);
                }
                Written::Missing | Written::Gone => return Ok(false),
                Written::Conflict => {}
            }
        }
    }

    pub(super) async fn end_all(&self, subject: Subject, except: Option<Key>) -> Result<usize> {
        let mut budget = self.budget();
        // Each gets a tombstone first, so that late requests of its browser are told apart from strangers. What that
        // misses, or cannot do, the store does in one call.
        let mut count = 0;
        let live = self.live(&mut budget, &subject).await?;
        for (key, _) in live.into_iter().filter(|(key, _)| Some(*key) != except).take(MAX_ENDED) {
            let ended = self.end(&mut budget, key, |found| found.subject.as_ref() == Some(&subject)).await;
            count += usize::from(ended.unwrap_or(false));
        }
        let end_all = events::StoreCall::new("end_all", None);
        let rest = self
            .ask_subjects(end_all, &mut self.budget(), move |subjects| subjects.end_all(subject, except))
            .await?;
        if rest > 0 {
            events::ended_all(rest);
        }
        Ok(count + rest)
    }

    /// Before a sign-in to the session under `own`: refuses it if the settings say so.
    pub(crate) async fn check_subject_limit(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        own: Option<Key>,
    ) -> Result<()> {
        let (Some(limit), OnSubjectLimit::Refuse) =
            (self.settings.subject_limit, self.settings.on_subject_limit)
        else {
            return Ok(());
        };
        let others =
            self.live(budget, subject).await?.into_iter().filter(|(key, _)| Some(*key) != own).count();
        if others < limit { Ok(()) } else { Err(Self::over_limit(limit)) }
    }

    /// After a sign-in was stored under `own`: ends the sessions that are too many, perhaps this very one; or answers an
    /// error if this one is too many. Every sign-in looks after it was stored, so the last of several at the same time
    /// sees them all, and no more than the limit remain; where they are refused, perhaps fewer.
    pub(crate) async fn keep_subject_limit(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        own: Key,
    ) -> Result<()> {
        let Some(limit) = self.settings.subject_limit else { return Ok(()) };
        let live = match self.live(budget, subject).await {
            Ok(live) => live,
            // The sign-in stands; the next one looks again.
            Err(error) => {
                events::unsaved(&error);
                return Ok(());
            }
        };
        match self.settings.on_subject_limit {
            OnSubjectLimit::EndOldest => {
                for (key, _) in live.into_iter().skip(limit).take(MAX_ENDED) {
                    // The sign-in stands; what is left over is ended by the next one.
                    if let Err(error) =
                        self.end(budget, key, |found| found.subject.as_ref() == Some(subject)).await
                    {
                        events::unsaved(&error);
                    }
                }
                Ok(())
            }
            OnSubjectLimit::Refuse => {
                let others = live.iter().filter(|(key, _)| *key != own).count();
                if others < limit { Ok(()) } else { Err(Self::over_limit(limit)) }
            }
        }
    }

    /// Asks the store's index of users, which is known to be there.
    pub(crate) async fn ask_subjects<T: Send + 'static>(
        &self,
        what: events::StoreCall,
        budget: &mut Budget,
        ask: impl for<'a> FnOnce(&'a dyn DynSubjects) -> BoxFuture<'a, cloakroom_store::Result<T>>
        + Send
        + 'static,
    ) -> cloakroom_store::Result<T> {
        let store = Arc::clone(&self.store);
        let call = Box::pin(async move {
            let subjects = store.subjects().ok_or(cloakroom_store::Error::new(StoreErrorKind::Other))?;
            ask(subjects).await
        });
        self.calls.run(what, budget, call).await
    }

    pub(super) fn budget(&self) -> Budget {
        Budget(self.settings.store_budget)
    }

    fn over_limit(limit: usize) -> Error {
        Error::with_detail(ErrorKind::SubjectLimit, format!("subject_limit = {limit}"))
    }
}

/// How many sessions one call ends one by one.
const MAX_ENDED: usize = 16;
