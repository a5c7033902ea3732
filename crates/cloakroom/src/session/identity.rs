//! Whose session it is, under which secret, and for how long.

use std::time::{Duration, SystemTime};

use cloakroom_store::Subject;

use super::Session;
use super::state::Attached;
use crate::config::MAX_LIFETIME;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{SessionHandle, SessionStatus, SessionTimes};
use crate::lifecycle::SignIn;
use crate::route_options::RouteOptions;

/// Identity.
impl Session {
    /// Binds the session to a user, under a new secret; the old one is dead at once. The same user again is a
    /// re-authentication, which begins the absolute lifetime anew.
    ///
    /// What an anonymous visitor collected is kept; a change from one user to another clears the session.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the subject is empty or longer than 255 bytes, [`ErrorKind::SubjectLimit`] if the
    /// user has too many sessions and the settings say to refuse, [`ErrorKind::HeadSent`] after the response head.
    #[doc(alias = "login")]
    pub async fn sign_in(&self, subject: impl AsRef<str>) -> Result<()> {
        let subject = Subject::new(subject).map_err(|error| Error::because(ErrorKind::Unsupported, error))?;
        let mut state = self.writable().await?;
        state.head_open()?;
        self.0.check_subject_limit(&mut state, &subject).await?;
        if matches!(state.attached, Attached::Dropped) {
            state.start_anew();
        }
        if state.subject().is_some_and(|current| *current != subject) {
            state.clear();
            state.changes.remember = None;
        }
        state.expire_cookie = false;
        state.changes.sign_in = Some(SignIn { subject, after: Default::default() });
        Ok(())
    }

    /// Ends the session; the next thing written starts a new, anonymous one. The same as [`destroy`](Self::destroy).
    #[doc(alias = "logout")]
    pub async fn sign_out(&self) -> Result<()> {
        self.destroy().await
    }

    /// Ends the session and removes its cookie. Whatever other requests of this session still want to save is dropped.
    /// What is written afterwards starts a new session.
    #[doc(alias = "kill")]
    #[doc(alias = "delete")]
    pub async fn destroy(&self) -> Result<()> {
        let mut state = self.writable().await?;
        self.0.destroy(&mut state);
        Ok(())
    }

    /// Replaces the session's secret and keeps its data. The old secret goes on working for the grace time, so that
    /// requests under way are not thrown out; within that time a further rotation changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::HeadSent`] after the response head.
    #[doc(alias = "regenerate")]
    pub async fn rotate(&self) -> Result<()> {
        let mut state = self.writable().await?;
        state.head_open()?;
        state.expire_cookie = false;
        state.changes.rotate = true;
        Ok(())
    }

    /// Removes the cookie from the browser and leaves the session stored.
    ///
    /// # Errors
    /// [`ErrorKind::HeadSent`] after the response head.
    #[doc(alias = "expire")]
    pub async fn expire_cookie(&self) -> Result<()> {
        let mut state = self.writable().await?;
        state.head_open()?;
        // The browser may have a newer cookie than the one this request came with.
        state.expire_cookie = !matches!(state.attached, Attached::Dropped);
        Ok(())
    }

    /// Makes the cookie outlive the browser, and gives this session its own limits: it ends after `duration`, used or
    /// not. To be called with a sign-in.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the duration is not between a second and 400 days (the longest life of a cookie,
    /// RFC 6265bis §5.5), [`ErrorKind::HeadSent`] after the response head.
    pub async fn remember(&self, duration: Duration) -> Result<()> {
        if !(Duration::from_secs(1)..=MAX_LIFETIME).contains(&duration) {
            let detail = "a session is remembered for a second to 400 days";
            return Err(Error::with_detail(ErrorKind::Unsupported, detail));
        }
        let mut state = self.writable().await?;
        state.head_open()?;
        state.expire_cookie = false;
        state.changes.remember = Some(duration);
        Ok(())
    }

    /// Keeps this request from extending the session's idle time, even if it writes: for background polls.
    pub fn no_touch(&self) {
        self.0.route().touch = false;
    }

    /// Adds settings for this request alone: what the layers for routes call, and what a handler without any calls first.
    /// Once the session has been used they come too late. What was set before stays, but for another way of locking.
    ///
    /// ```
    /// use cloakroom::{Locking, RouteOptions, Session};
    ///
    /// async fn upload(session: Session) -> cloakroom::Result<()> {
    ///     session.configure(RouteOptions::new().locking(Locking::Explicit));
    ///     session.insert("uploads", &1).await
    /// }
    /// ```
    pub fn configure(&self, options: RouteOptions) {
        self.0.route().add(options);
        if let Ok(mut state) = self.0.state.try_lock()
            && !self.0.locks(&state)
        {
            state.release();
        }
    }

    /// The public name of the stored session; `None` while nothing is stored. It authenticates nobody.
    #[doc(alias = "id")]
    #[doc(alias = "session_id")]
    pub async fn handle(&self) -> Result<Option<SessionHandle>> {
        Ok(self.ready().await?.attached.stored().map(|held| SessionHandle::new(held.key)))
    }

    /// Whose session this is: the user who signed in to it, if anybody.
    pub async fn subject(&self) -> Result<Option<Subject>> {
        Ok(self.ready().await?.subject().cloned())
    }

    /// The user who is signed in; for routes that are for nobody else.
    ///
    /// # Errors
    /// [`ErrorKind::NotSignedIn`] if nobody is; [`ErrorKind::Degraded`] if the store is down, and the route goes on
    /// without the session.
    pub async fn require_subject(&self) -> Result<Subject> {
        let state = self.ready().await?;
        let kind = if state.degraded { ErrorKind::Degraded } else { ErrorKind::NotSignedIn };
        state.subject().cloned().ok_or_else(|| Error::new(kind))
    }

    /// When the user signed in to this session; a sign-in in this request counts once it is saved.
    pub async fn authenticated_at(&self) -> Result<Option<SystemTime>> {
        Ok(self.times().await?.and_then(|times| times.authenticated_at))
    }

    /// Whether the user signed in less than `duration` ago: what to ask before anything that wants a recent proof of
    /// identity. A sign-in in this request counts.
    pub async fn authenticated_within(&self, duration: Duration) -> Result<bool> {
        let state = self.ready().await?;
        let at = state.attached.stored().and_then(|held| held.snapshot.header.authenticated_at);
        let recent = at.is_some_and(|at| self.0.engine.clock.now() < at.saturating_add(duration));
        Ok(recent || state.changes.sign_in.is_some())
    }

    /// Why the session is what it is.
    pub async fn status(&self) -> Result<SessionStatus> {
        Ok(self.ready().await?.origin)
    }

    /// Since when the stored session exists and when it will end; `None` while nothing is stored.
    pub async fn times(&self) -> Result<Option<SessionTimes>> {
        let state = self.ready().await?;
        Ok(state.attached.stored().map(|held| SessionTimes::of(&held.snapshot, &self.0.engine.policy)))
    }

    /// Whether the request goes on without its session, because the store is down and the route
    /// [allows it](RouteOptions::degraded): reads find nothing, writes fail.
    pub async fn is_degraded(&self) -> Result<bool> {
        Ok(self.ready().await?.degraded)
    }
}
