//! The sessions of one user: listed, ended, limited.

use std::collections::BTreeSet;

use cloakroom_store::{Cursor, ErrorKind as StoreErrorKind, Key, Page, Subject, SubjectEntry};

use crate::calls::Budget;
use crate::config::OnSubjectLimit;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::info::SessionInfo;

/// Work of several calls, for callers that run to their end.
impl Engine {
    /// The user's live sessions, the last sign-in first.
    pub(crate) async fn sessions_of(&self, subject: &Subject) -> Result<Vec<SessionInfo>> {
        let mut budget = self.budget();
        let keys = self.unexpired(&mut budget, subject).await?;
        self.live(&mut budget, subject, keys).await
    }

    /// Ends all sessions of a user but `except`; returns how many.
    pub(crate) async fn end_all(&self, subject: Subject, except: Option<Key>) -> Result<usize> {
        let mut budget = self.budget();
        // The first few get a tombstone each, so that late requests of their browsers are told apart from strangers. The
        // store ends the others in one call.
        let mut ended = 0;
        let keys = self.unexpired(&mut budget, &subject).await?;
        let others = keys.into_iter().filter(|key| Some(*key) != except);
        for key in others.take(MAX_ENDED) {
            let end = self.end(&mut budget, key, Some(&subject)).await;
            ended += usize::from(end.unwrap_or(false));
        }
        let end_all = self.ask_subjects("end_all", None, move |subjects| subjects.end_all(subject, except));
        let rest = self.calls.wait(&mut self.budget(), end_all).await?;
        if rest > 0 {
            events::ended_all(rest);
        }
        Ok(ended + rest)
    }

    /// Before a sign-in to the session under `own`: refuses it if the settings say so.
    pub(crate) async fn check_subject_limit(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        own: Option<Key>,
    ) -> Result<()> {
        let settings = self.settings();
        let (Some(limit), OnSubjectLimit::Refuse) = (settings.subject_limit, settings.on_subject_limit)
        else {
            return Ok(());
        };
        let keys = self.unexpired(budget, subject).await?;
        refuse_beyond(limit, &keys, own)
    }

    /// After a sign-in was stored under `own`: ends the sessions that are too many, perhaps this very one; or fails if this
    /// one is too many. Every sign-in checks after it was stored, so the last of several at the same time sees them all, and
    /// no more than the limit remain; where they are refused, perhaps fewer.
    pub(crate) async fn keep_subject_limit(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        own: Key,
    ) -> Result<()> {
        let Some(limit) = self.settings().subject_limit else { return Ok(()) };
        let oldest = match self.unexpired(budget, subject).await {
            Ok(keys) if keys.len() <= limit => return Ok(()),
            Ok(keys) if self.settings().on_subject_limit == OnSubjectLimit::Refuse => {
                return refuse_beyond(limit, &keys, Some(own));
            }
            Ok(keys) => self.live(budget, subject, keys).await,
            Err(error) => Err(error),
        };
        let ended = async {
            for session in oldest?.iter().skip(limit).take(MAX_ENDED) {
                self.end(budget, session.handle.key(), Some(subject)).await?;
            }
            Ok(())
        };
        // The sign-in stands; what is left over is ended by the next one.
        if let Err(error) = ended.await {
            events::unsaved(&error);
        }
        Ok(())
    }

    /// The keys of the user's sessions that have not expired: the live ones, and perhaps some that lowered settings have
    /// ended.
    async fn unexpired(&self, budget: &mut Budget, subject: &Subject) -> Result<BTreeSet<Key>> {
        let (now, mut keys, mut cursor) = (self.now(), BTreeSet::new(), None);
        loop {
            let page = self.page(budget, subject, cursor).await?;
            // A walk may see a session twice.
            keys.extend(page.items.iter().filter(|entry| entry.expires_at > now).map(|entry| entry.key));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Those of the sessions under `keys` that are the user's and live, the last sign-in first. Loads one after the other, and
    /// keeps none of their values.
    async fn live(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        keys: BTreeSet<Key>,
    ) -> Result<Vec<SessionInfo>> {
        let (now, policy, mut live) = (self.now(), &self.rules.policy, Vec::new());
        for key in keys {
            let record = match self.calls.wait(budget, self.load(key)).await {
                Err(error) if is_unreadable(&error) => continue,
                record => record?,
            };
            let Some(record) = record.filter(|record| record.subject.as_ref() == Some(subject)) else {
                continue;
            };
            if let Ok(Some(snapshot)) = self.rules.read(&key, &record)
                && snapshot.is_live(now, policy)
            {
                let info = SessionInfo::of(key, subject.clone(), &snapshot, policy);
                live.push((snapshot.header.authenticated_at, record.revision.get(), info));
            }
        }
        // Of two in the same millisecond the later one, as a rule: a process counts its revisions up.
        live.sort_by_key(|(signed_in, revision, _)| std::cmp::Reverse((*signed_in, *revision)));
        Ok(live.into_iter().map(|(.., info)| info).collect())
    }

    async fn page(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        cursor: Option<Cursor>,
    ) -> Result<Page<SubjectEntry>> {
        if self.store.facets().subjects.is_none() {
            let detail = "this store does not list the sessions of a subject";
            return Err(Error::with_detail(ErrorKind::Unsupported, detail));
        }
        let of = subject.clone();
        let list = self.ask_subjects("list", None, move |subjects| subjects.list(of, cursor, PAGE));
        Ok(self.calls.wait(budget, list).await?)
    }
}

/// Fails if there are so many sessions beside `own` that this one is too many.
fn refuse_beyond(limit: usize, keys: &BTreeSet<Key>, own: Option<Key>) -> Result<()> {
    let others = keys.iter().filter(|key| Some(**key) != own).count();
    if others < limit {
        return Ok(());
    }
    Err(Error::with_detail(ErrorKind::SubjectLimit, format!("subject_limit = {limit}")))
}

fn is_unreadable(error: &cloakroom_store::Error) -> bool {
    matches!(error.kind(), StoreErrorKind::Corrupt | StoreErrorKind::UnknownVersion)
}

/// How many sessions one call ends one by one.
const MAX_ENDED: usize = 16;
/// How many sessions a page of the store's list has.
const PAGE: usize = 50;
