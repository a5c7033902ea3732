//! From a request's tokens to its session, and what the session is to the request afterwards.

use std::sync::Arc;

use cloakroom_store::{ErrorKind as StoreErrorKind, Key, Record, Subject, Timestamp};

use super::{Access, Binding, Cookie, EndedBy, Ending, Found, Held, Method, Phase, Request};
use crate::config::{Locking, OnReuse};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::info::SessionStatus;
use crate::lifecycle::{Snapshot, Standing, judge};
use crate::rules::{Newer, Rules};
use crate::token::{Token, Verifier};

/// What was loaded under a key.
pub(super) enum Loaded {
    Record(Record),
    Nothing,
    /// A record of a later version, which the store cannot read.
    Newer,
}

/// What is under a token.
#[allow(clippy::large_enum_variant, reason = "nearly always the large one, and moved once")]
pub(super) enum UnderToken {
    /// With the verifier of the token's secret.
    Session(Snapshot, Standing, Verifier),
    Nothing,
    Newer {
        current: bool,
    },
}

impl Request {
    /// Makes sure that the session is loaded, and locked where the request has it to itself; the outcome of the first
    /// time stands.
    pub(crate) async fn ready(&mut self, engine: &Arc<Engine>) -> Result<()> {
        if self.options.off {
            return Err(Error::with_detail(ErrorKind::Unsupported, "sessions are off for this route"));
        }
        match self.phase {
            Phase::Untouched | Phase::Entering | Phase::Peeked => {
                self.phase = Phase::Entering;
                let entered = self.enter(engine).await;
                self.phase = Phase::Entered;
                self.admit(entered);
            }
            Phase::HeadSent => {
                // A stream may run for hours; the budget is for what keeps a response waiting.
                self.budget = engine.budget();
                match &self.access {
                    Access::Unloaded => {
                        let loaded = self.load_first(engine, false).await;
                        self.admit(loaded);
                    }
                    Access::Failed(error) => {
                        let error = error.clone();
                        self.admit(Err(error));
                    }
                    Access::Full | Access::Degraded => {}
                }
            }
            Phase::Entered | Phase::Closing => {}
        }
        match (&self.access, &self.binding) {
            (Access::Failed(error), _) => Err(error.clone()),
            // Only a sign-in and an end may deal with it.
            (_, Binding::Newer(_)) if self.changes.sign_in.is_none() => Err(Newer { verifier: None }.into()),
            _ => Ok(()),
        }
    }

    /// Loads the session without locking it, to see whether it is there.
    pub(super) async fn peek(&mut self, engine: &Arc<Engine>) -> Result<()> {
        let loaded = self.load_first(engine, false).await;
        self.phase = Phase::Peeked;
        self.access = loaded.clone().map_or_else(Access::Failed, |()| Access::Full);
        loaded
    }

    fn admit(&mut self, loaded: Result<()>) {
        self.access = match loaded {
            Ok(()) => Access::Full,
            Err(error) if error.is_outage() && self.options.degraded => Access::Degraded,
            Err(error) => Access::Failed(error),
        };
    }

    async fn enter(&mut self, engine: &Arc<Engine>) -> Result<()> {
        let locks = self.locks(engine);
        match (&self.access, self.binding.held()) {
            (Access::Unloaded, _) => self.load_first(engine, locks).await,
            (Access::Failed(error), _) => Err(error.clone()),
            // Loaded before the handler without a lock: lock it, and load it again.
            (_, Some(held)) if locks => {
                let (key, token) = (held.key, held.token.clone());
                let accepted = held.snapshot.header.verifier;
                let loaded = self.acquire(engine, key, &token, Some(accepted)).await?;
                let rebased = self.rebase(&engine.rules, loaded, engine.now());
                self.release_lost();
                rebased
            }
            _ => Ok(()),
        }
    }

    /// Whether the request has its session to itself without asking. Not after the response head: a stream would
    /// keep others waiting to its end.
    pub(crate) fn locks(&self, engine: &Engine) -> bool {
        if self.phase == Phase::HeadSent || self.options.off {
            return false;
        }
        match self.options.locking.unwrap_or(engine.settings().locking) {
            Locking::ByMethod => self.method == Method::Unsafe,
            Locking::Implicit | Locking::Early => true,
            Locking::Explicit => false,
        }
    }

    async fn load_first(&mut self, engine: &Arc<Engine>, lock: bool) -> Result<()> {
        if engine.rules.policy.bind_address && self.client.address.is_none() {
            let detail = "ignore_change_ip = false, but the client's address is not known: the server does not tell the \
                          peer's, or a trusted proxy passed on none";
            return Err(Error::with_detail(ErrorKind::Unsupported, detail));
        }
        if self.presented.is_ambiguous() {
            events::ambiguous();
            self.found = Found::Status(SessionStatus::Unknown);
        }
        let (token, several) = {
            let mut tokens = self.presented.tokens();
            (tokens.next().cloned(), tokens.next().is_some())
        };
        match token {
            None => Ok(()),
            Some(_) if several => self.load_one_of(engine, lock).await,
            Some(token) => {
                let key = engine.rules.keyring.key(&token);
                self.load_one(engine, token, key, lock, None).await
            }
        }
    }

    /// `accepted` is the verifier of the session's secret, if that of `token` was judged and accepted before.
    async fn load_one(
        &mut self,
        engine: &Arc<Engine>,
        token: Token,
        key: Key,
        lock: bool,
        accepted: Option<Verifier>,
    ) -> Result<()> {
        let loaded = match lock {
            true => self.acquire(engine, key, &token, accepted).await?,
            false => self.load(engine, key).await?,
        };
        let under = self.judge(&engine.rules, &token, &key, loaded, engine.now());
        self.attach(&engine.rules, token, key, under);
        Ok(())
    }

    /// Several tokens: the one that has a live session, if it is one only.
    async fn load_one_of(&mut self, engine: &Arc<Engine>, lock: bool) -> Result<()> {
        let rules = &engine.rules;
        let tokens: Vec<Token> = self.presented.tokens().cloned().collect();
        let mut live: Option<(Token, Key, UnderToken)> = None;
        let mut rest: Option<(Token, Key, UnderToken)> = None;
        for token in tokens {
            let key = rules.keyring.key(&token);
            let loaded = self.load(engine, key).await?;
            match self.judge(rules, &token, &key, loaded, engine.now()) {
                // Two secrets of one session, after a rotation: the current one it is.
                UnderToken::Session(snapshot, Standing::Live, verifier)
                    if live.as_ref().is_some_and(|(_, other, _)| *other == key) =>
                {
                    if snapshot.header.verifier == verifier {
                        live = Some((token, key, UnderToken::Session(snapshot, Standing::Live, verifier)));
                    }
                }
                UnderToken::Session(_, Standing::Live, _) if live.is_some() => {
                    events::ambiguous();
                    self.found = Found::Ambiguous;
                    return Ok(());
                }
                under @ UnderToken::Session(_, Standing::Live, _) => live = Some((token, key, under)),
                under => {
                    if rest.as_ref().is_none_or(|(_, _, other)| other.weight() < under.weight()) {
                        rest = Some((token, key, under));
                    }
                }
            }
        }
        match (live, rest) {
            (Some((token, key, UnderToken::Session(snapshot, ..))), _) if lock => {
                self.load_one(engine, token, key, true, Some(snapshot.header.verifier)).await?;
            }
            (Some((token, key, under)), _) | (None, Some((token, key, under))) => {
                self.attach(rules, token, key, under);
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// The record under `key`; a damaged one is as good as none. Runs to its end if the caller goes away.
    pub(super) async fn load(&mut self, engine: &Arc<Engine>, key: Key) -> Result<Loaded> {
        let load = engine.calls.timed(self.budget, engine.load(key));
        let (answer, took) = engine.tasks.finish(load).await;
        self.budget.spend(took);
        Loaded::from_answer(&key, answer)
    }

    /// Before a sign-in: refuses it if the user has as many sessions as allowed, and the settings say so.
    pub(crate) async fn check_subject_limit(
        &mut self,
        engine: &Arc<Engine>,
        subject: &Subject,
    ) -> Result<()> {
        let (owner, subject, own) = (Arc::clone(engine), subject.clone(), self.stored().map(|(key, _)| key));
        let mut budget = self.budget;
        let check = Box::pin(async move {
            let checked = owner.check_subject_limit(&mut budget, &subject, own).await;
            (checked, budget)
        });
        let (checked, budget) = engine.tasks.finish(check).await;
        self.budget = budget;
        checked
    }

    pub(super) fn judge(
        &self,
        rules: &Rules,
        token: &Token,
        key: &Key,
        loaded: Loaded,
        now: Timestamp,
    ) -> UnderToken {
        match loaded.read(rules, key) {
            Ok(Some(snapshot)) => {
                let verifier = rules.keyring.verifier(token);
                let visit = self.visit(rules, Some(verifier));
                let standing = judge(&snapshot, &verifier, &visit, now, &rules.policy);
                UnderToken::Session(snapshot, standing, verifier)
            }
            Ok(None) => UnderToken::Nothing,
            Err(Newer { verifier }) => {
                let current = verifier.is_none_or(|verifier| verifier == rules.keyring.verifier(token));
                UnderToken::Newer { current }
            }
        }
    }

    pub(super) fn attach(&mut self, rules: &Rules, token: Token, key: Key, under: UnderToken) {
        let status = match under {
            UnderToken::Session(snapshot, Standing::Live, verifier) => {
                events::resumed(&key);
                self.found = Found::Status(SessionStatus::Resumed);
                self.saw_user = snapshot.subject.is_some();
                self.binding = Binding::Bound(Held { token, key, presented: Some(verifier), snapshot });
                return;
            }
            UnderToken::Newer { current } => {
                self.binding = Binding::Newer(current.then_some(key));
                SessionStatus::Resumed
            }
            UnderToken::Session(_, Standing::Expired | Standing::Moved, _) => {
                events::expired(&key);
                SessionStatus::Expired
            }
            UnderToken::Session(snapshot, Standing::Superseded { late, reused }, verifier) => {
                events::superseded(&key, reused);
                if late {
                    self.binding = Binding::Detached;
                }
                if reused && rules.settings.on_reuse == OnReuse::End {
                    let held = Held { token, key, presented: Some(verifier), snapshot };
                    self.endings.push(Ending::Tombstone { held, by: EndedBy::Reuse });
                }
                SessionStatus::Superseded
            }
            UnderToken::Session(_, Standing::Gone, _) | UnderToken::Nothing => {
                events::unknown(&key);
                SessionStatus::Unknown
            }
        };
        self.found = Found::Status(status);
        self.release();
    }

    /// Takes a fresh snapshot of the session, unless it is gone.
    pub(crate) async fn refresh(&mut self, engine: &Arc<Engine>) -> Result<()> {
        let Some(held) = self.binding.held() else { return Ok(()) };
        let loaded = self.load(engine, held.key).await?;
        let rebased = self.rebase(&engine.rules, loaded, engine.now());
        self.release_lost();
        rebased
    }

    /// Continues with what the record says now, if the session still is this request's: the secret it came with, or one
    /// that it made itself, is verified again.
    ///
    /// # Errors
    /// If a later version has written the record, which this one cannot read.
    pub(super) fn rebase(&mut self, rules: &Rules, loaded: Loaded, now: Timestamp) -> Result<()> {
        let visit = self.visit(rules, None);
        let Binding::Bound(held) = &mut self.binding else { return Ok(()) };
        if let Some(snapshot) = loaded.read(rules, &held.key)? {
            if let Some(token) = self.unconfirmed.take_if(|token| rules.is_current(token, &snapshot)) {
                held.token = token;
                self.cookie = Cookie::Set { replaces_ended: self.cookie.is_ended() };
            }
            let verifier = rules.keyring.verifier(&held.token);
            if judge(&snapshot, &verifier, &visit, now, &rules.policy) == Standing::Live {
                held.snapshot = snapshot;
                return Ok(());
            }
        }
        events::lost(&held.key);
        self.detach();
        Ok(())
    }
}

impl Loaded {
    pub(super) fn from_answer(key: &Key, answer: cloakroom_store::Result<Option<Record>>) -> Result<Self> {
        match answer {
            Ok(Some(record)) => Ok(Self::Record(record)),
            Ok(None) => Ok(Self::Nothing),
            Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                events::quarantined(key);
                Ok(Self::Nothing)
            }
            Err(error) if error.kind() == StoreErrorKind::UnknownVersion => {
                events::newer(key);
                Ok(Self::Newer)
            }
            Err(error) => {
                events::store_error(key, &error);
                Err(error.into())
            }
        }
    }

    /// What the record says.
    pub(super) fn read(self, rules: &Rules, key: &Key) -> Result<Option<Snapshot>, Newer> {
        match self {
            Self::Record(record) => rules.read(key, &record),
            Self::Nothing => Ok(None),
            Self::Newer => Err(Newer { verifier: None }),
        }
    }
}

impl UnderToken {
    /// Which of several tokens without a live session says most about the visitor.
    fn weight(&self) -> u8 {
        match self {
            Self::Newer { .. } => 4,
            Self::Session(_, Standing::Superseded { late: true, .. }, _) => 3,
            Self::Session(_, Standing::Superseded { .. }, _) => 2,
            Self::Session(_, Standing::Expired | Standing::Moved, _) => 1,
            _ => 0,
        }
    }
}
