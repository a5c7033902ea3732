//! The sessions of one user: listed, ended, limited.
//!
//! All of it in bounded memory: of many sessions at most their keys and expiries are held, and the data of a few.

use std::collections::BTreeMap;
use std::time::Duration;

use cloakroom_store::{
    BoxFuture, Cursor, ErrorKind as StoreErrorKind, Key, Page, Subject, SubjectEntry, Timestamp,
};

use crate::calls::Budget;
use crate::clock::Stopwatch;
use crate::config::OnSubjectLimit;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::info::{RecentSessions, SessionInfo};
use crate::join::join;

/// A live session, and what decides its place among others.
struct Live {
    key: Key,
    info: SessionInfo,
    expires_at: Timestamp,
    signed_in: Option<Timestamp>,
    revision: u64,
    /// It was used after the user signed in, for so long that the use was noted.
    used: bool,
}

/// Work of several calls, for callers that run to their end.
impl Engine {
    /// The user's live sessions, the last sign-in first.
    pub(crate) async fn sessions_of(&self, subject: &Subject) -> Result<Vec<SessionInfo>> {
        let mut budget = self.budget();
        let keys: Vec<_> = self.unexpired(&mut budget, subject).await?.into_keys().collect();
        let mut live = Vec::new();
        for keys in keys.chunks(PAGE) {
            live.extend(self.live(&mut budget, subject, keys).await?);
        }
        // Of two in the same millisecond the later one, as a rule: a process counts its revisions up.
        live.sort_by_key(|session| std::cmp::Reverse((session.signed_in, session.revision)));
        Ok(live.into_iter().map(|session| session.info).collect())
    }

    /// The user's `limit` most recently used live sessions, the last one first.
    pub(crate) async fn recent_sessions_of(&self, subject: &Subject, limit: usize) -> Result<RecentSessions> {
        let mut budget = self.budget();
        let mut keys = least_recent_first(self.unexpired(&mut budget, subject).await?);
        let total = keys.len();
        keys.reverse();
        keys.truncate(limit);
        let mut live = Vec::with_capacity(keys.len());
        for keys in keys.chunks(PAGE) {
            live.extend(self.live(&mut budget, subject, keys).await?);
        }
        live.sort_by_key(|session| std::cmp::Reverse((session.expires_at, session.revision)));
        Ok(RecentSessions { sessions: live.into_iter().map(|session| session.info).collect(), total })
    }

    /// Ends all sessions of a user but `except`; returns how many.
    pub(crate) async fn end_all(&self, subject: Subject, except: Option<Key>) -> Result<usize> {
        if self.store.facets().subjects.is_none() {
            return Err(unlisted());
        }
        // Half of the time is kept for the store's own call, which ends whatever is left, and may need all of it.
        let (mut kept, watch) = (self.budget(), Stopwatch::start());
        let ended = self.end_each(&mut Budget(kept.0 / 2), &subject, except).await;
        kept.spend(watch.elapsed());
        let end_all = self.ask_subjects("end_all", None, move |subjects| subjects.end_all(subject, except));
        let rest = self.calls.with_timeout(kept.0).wait(&mut kept, end_all).await?;
        if rest > 0 {
            events::ended_all(rest);
            // Which ones is not known here; other processes look for themselves.
            self.watches.look_at_all();
        }
        Ok(ended + rest)
    }

    /// Gives the user's sessions but `except` a tombstone each, so that late requests of their browsers are told apart from
    /// strangers: until the budget is spent, or the store fails to list them. Returns how many. No call is cut off when the
    /// budget ends: what is not known to have ended would not be counted.
    async fn end_each(&self, budget: &mut Budget, subject: &Subject, except: Option<Key>) -> usize {
        let (mut ended, mut cursor) = (0, None);
        loop {
            let Ok(page) = self.page(budget, subject, cursor.take(), PAGE).await else { return ended };
            let keys: Vec<_> =
                page.items.into_iter().map(|entry| entry.key).filter(|key| Some(*key) != except).collect();
            for keys in keys.chunks(AT_ONCE) {
                let each = |key: &Key| -> BoxFuture<'_, _> {
                    let (key, mut budget) = (*key, Budget(self.settings().store_timeout));
                    Box::pin(async move { self.end(&mut budget, key, Some(subject)).await })
                };
                let watch = Stopwatch::start();
                let ends = join(keys.iter().map(each).collect()).await;
                budget.spend(watch.elapsed());
                ended += ends.into_iter().filter(|end| matches!(end, Ok(true))).count();
                if budget.0.is_zero() {
                    return ended;
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return ended;
            }
            // A store in memory never waits, and others want to run too.
            tokio::task::yield_now().await;
        }
    }

    /// Before a sign-in to the session under `own`: refuses it if the settings say so.
    pub(crate) async fn check_subject_limit(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        own: Option<Key>,
    ) -> Result<()> {
        match (self.subject_limit(), self.settings().on_subject_limit) {
            (Some(limit), OnSubjectLimit::Refuse) => {
                let unexpired = self.unexpired(budget, subject).await?;
                refuse_beyond(limit, &unexpired, own)
            }
            _ => Ok(()),
        }
    }

    /// After a sign-in was stored under `own`, and there may be too many sessions: ends the least recently used ones; or fails
    /// if this one is too many. Every sign-in looks after it was stored, so the last of several at the same time sees them
    /// all, and no more than the limit remain; where they are refused, perhaps fewer.
    pub(crate) async fn keep_subject_limit(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        own: Key,
    ) -> Result<()> {
        let Some(limit) = self.subject_limit() else { return Ok(()) };
        if self.settings().on_subject_limit == OnSubjectLimit::Refuse {
            return match self.unexpired(budget, subject).await {
                Ok(unexpired) => refuse_beyond(limit, &unexpired, Some(own)),
                // The sign-in stands.
                Err(error) => {
                    events::unsaved(&error);
                    Ok(())
                }
            };
        }
        let (watch, within) = (Stopwatch::start(), budget.0);
        let turn = tokio::time::timeout(within, self.sign_ins.turn(subject)).await;
        budget.spend(watch.elapsed());
        let ended = match turn {
            Ok(_turn) => self.end_least_recent(budget, subject, own, limit).await,
            Err(_) => Err(Error::with_detail(ErrorKind::Unavailable, "the request's store_budget is spent")),
        };
        // The sign-in stands; what is left over is ended by the next one.
        if let Err(error) = ended {
            events::unsaved(&error);
        }
        Ok(())
    }

    async fn end_least_recent(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        own: Key,
        limit: usize,
    ) -> Result<()> {
        let mut unexpired = self.unexpired(budget, subject).await?;
        let excess = unexpired.len().saturating_sub(limit).min(MAX_ENDED);
        // Another one's sign-in may have ended it.
        if excess == 0 || unexpired.remove(&own).is_none() {
            return Ok(());
        }
        for key in self.least_recent(budget, subject, unexpired, excess).await? {
            if self.end(budget, key, Some(subject)).await? {
                events::limited(&key, limit);
            }
        }
        Ok(())
    }

    /// The keys of the `count` least recently used of these sessions.
    ///
    /// Activity is noted once in a while, so among those that expire at about the same time, one in use and one that was never
    /// used again look the same. A few of them are loaded, and those that were not used since they signed in come first.
    async fn least_recent(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        sessions: BTreeMap<Key, Timestamp>,
        count: usize,
    ) -> Result<Vec<Key>> {
        let keys = least_recent_first(sessions.clone());
        let expires = |key: &Key| sessions.get(key).copied().unwrap_or_default();
        let Some(last) = keys.get(..count).and_then(|keys| keys.last()).map(expires) else { return Ok(keys) };
        let same = last.saturating_add(self.noted_within());
        let before = last.saturating_sub(self.noted_within());
        // Those that are older for certain, and those of which some are to be chosen.
        let sure = keys.iter().take_while(|key| expires(key) < before).count();
        let unsure = keys[sure..].iter().take_while(|key| expires(key) <= same).count();
        let wanted = count - sure;
        let (sure, unsure) = (&keys[..sure], &keys[sure..][..unsure]);
        if unsure.len() == wanted {
            return Ok([sure, unsure].concat());
        }
        let looked_at = &unsure[..unsure.len().min(wanted + AT_ONCE)];
        let mut looked_at = self.live(budget, subject, looked_at).await?;
        looked_at.sort_by_key(|session| (session.used, session.signed_in, session.revision));
        let chosen = looked_at.iter().map(|session| session.key).take(wanted);
        Ok(sure.iter().copied().chain(chosen).collect())
    }

    fn subject_limit(&self) -> Option<usize> {
        self.settings().subject_limit.at_most(self.store.facets().subjects.is_some())
    }

    /// By how much the noted use of a session may be behind.
    fn noted_within(&self) -> Duration {
        (self.rules.policy.idle / 20).min(Duration::from_secs(60))
    }

    /// The user's sessions that have not expired: the live ones, and perhaps some that lowered settings have ended; each with
    /// when it expires unless it is used.
    async fn unexpired(&self, budget: &mut Budget, subject: &Subject) -> Result<BTreeMap<Key, Timestamp>> {
        let (now, mut found, mut cursor) = (self.now(), BTreeMap::new(), None);
        loop {
            let page = self.page(budget, subject, cursor, KEYS).await?;
            // A walk may see a session twice.
            let unexpired = page.items.iter().filter(|entry| entry.expires_at > now);
            found.extend(unexpired.map(|entry| (entry.key, entry.expires_at)));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(found);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Those of the sessions under `keys` that are the user's and live. Loads a few at a time, and keeps none of their values.
    async fn live(&self, budget: &mut Budget, subject: &Subject, keys: &[Key]) -> Result<Vec<Live>> {
        let mut live = Vec::new();
        for keys in keys.chunks(AT_ONCE) {
            let each = |key: &Key| -> BoxFuture<'_, _> {
                let (key, mut budget) = (*key, *budget);
                Box::pin(async move { self.live_one(&mut budget, subject, key).await })
            };
            let watch = Stopwatch::start();
            let loaded = join(keys.iter().map(each).collect()).await;
            budget.spend(watch.elapsed());
            for session in loaded {
                live.extend(session?);
            }
        }
        Ok(live)
    }

    async fn live_one(&self, budget: &mut Budget, subject: &Subject, key: Key) -> Result<Option<Live>> {
        let (now, policy) = (self.now(), &self.rules.policy);
        let record = match self.calls.wait(budget, self.load(key)).await {
            Err(error) if is_unreadable(&error) => return Ok(None),
            record => record?,
        };
        let Some(record) = record.filter(|record| record.subject.as_ref() == Some(subject)) else {
            return Ok(None);
        };
        let Ok(Some(snapshot)) = self.rules.read(&key, &record) else { return Ok(None) };
        if !snapshot.is_live(now, policy) {
            return Ok(None);
        }
        let (signed_in, idle) = (snapshot.header.authenticated_at, snapshot.header.remembered);
        let unused = signed_in.map(|at| at.saturating_add(idle.unwrap_or(policy.idle)));
        Ok(Some(Live {
            key,
            expires_at: snapshot.expires_at,
            signed_in,
            revision: record.revision.get(),
            used: unused.is_none_or(|unused| snapshot.expires_at > unused),
            info: SessionInfo::of(key, subject.clone(), &snapshot, now, policy),
        }))
    }

    async fn page(
        &self,
        budget: &mut Budget,
        subject: &Subject,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        if self.store.facets().subjects.is_none() {
            return Err(unlisted());
        }
        let of = subject.clone();
        let list = self.ask_subjects("list", None, move |subjects| subjects.list(of, cursor, limit));
        Ok(self.calls.wait(budget, list).await?)
    }
}

fn least_recent_first(sessions: BTreeMap<Key, Timestamp>) -> Vec<Key> {
    let mut sessions: Vec<_> = sessions.into_iter().collect();
    sessions.sort_by_key(|(_, expires_at)| *expires_at);
    sessions.into_iter().map(|(key, _)| key).collect()
}

/// Fails if there are so many sessions beside `own` that this one is too many.
fn refuse_beyond(limit: usize, unexpired: &BTreeMap<Key, Timestamp>, own: Option<Key>) -> Result<()> {
    let others = unexpired.keys().filter(|key| Some(**key) != own).count();
    if others < limit {
        return Ok(());
    }
    Err(Error::with_detail(ErrorKind::SubjectLimit, format!("subject_limit = {limit}")))
}

fn unlisted() -> Error {
    Error::with_detail(ErrorKind::Unsupported, "this store does not list the sessions of a subject")
}

fn is_unreadable(error: &cloakroom_store::Error) -> bool {
    matches!(error.kind(), StoreErrorKind::Corrupt | StoreErrorKind::UnknownVersion)
}

/// How many sessions one sign-in ends.
const MAX_ENDED: usize = 16;
/// How many sessions are read or ended before others may run.
const PAGE: usize = 50;
/// How many of them at the same time: no more than so many of their records are in memory.
const AT_ONCE: usize = 8;
/// How many entries a page of the store's list has where no data is read.
const KEYS: usize = 500;
