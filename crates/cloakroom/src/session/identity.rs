//! Whose session it is, under which secret, and for how long.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use cloakroom_store::Subject;
use tokio::runtime::Handle;

use super::{HeldRequest, Session};
use crate::config::MAX_LIFETIME;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{SessionHandle, SessionStatus, SessionTimes};
use crate::request::Request;
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
        let mut request = self.writable_newer_too().await?;
        request.check_head()?;
        request.check_subject_limit(&self.engine, &subject).await?;
        request.sign_in(subject);
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
        self.writable_newer_too().await?.destroy(&self.engine.rules)
    }

    /// Replaces the session's secret and keeps its data. The old secret goes on working for the grace time, so that
    /// requests under way are not thrown out; within that time a further rotation changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::HeadSent`] after the response head.
    #[doc(alias = "regenerate")]
    pub async fn rotate(&self) -> Result<()> {
        let mut request = self.writable().await?;
        request.check_head()?;
        request.rotate();
        Ok(())
    }

    /// Removes the cookie from the browser and leaves the session stored.
    ///
    /// # Errors
    /// [`ErrorKind::HeadSent`] after the response head.
    #[doc(alias = "expire")]
    pub async fn expire_cookie(&self) -> Result<()> {
        let mut request = self.writable().await?;
        request.check_head()?;
        request.expire_cookie();
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
        let mut request = self.writable().await?;
        request.check_head()?;
        request.remember(duration);
        Ok(())
    }

    /// Keeps this request from extending the session's idle time, even if it writes: for background polls.
    pub fn no_touch(&self) {
        self.configure(RouteOptions::new().touch(false));
    }

    /// Adds settings for this request alone: what the layers for routes call, and what a handler without any calls first.
    /// Once the session has been used they come too late. What was set before stays, but for another way of locking.
    /// While another call of the same request is under way, they take effect after it.
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
        self.change(move |request, engine| request.configure(engine, options));
    }

    /// The settings for this request; `None` while another call of it is under way.
    #[cfg(feature = "rocket_v0_5")]
    pub(crate) fn options(&self) -> Option<RouteOptions> {
        self.request.try_lock().ok().map(|request| request.options())
    }

    /// Gives the request the settings back that it had.
    #[cfg(feature = "rocket_v0_5")]
    pub(crate) fn restore(&self, options: RouteOptions) {
        self.change(move |request, _| request.restore(options));
    }

    /// Changes the request at once, or after the call that has it.
    fn change(&self, change: impl FnOnce(&mut Request, &Engine) + Send + 'static) {
        let mut held = Box::pin(Arc::clone(&self.request).lock_owned());
        // The first poll takes the place in line, so that no later call of the request comes before it.
        if let Poll::Ready(mut request) = held.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            change(&mut request, &self.engine);
            return;
        }
        let engine = Arc::clone(&self.engine);
        if Handle::try_current().is_ok() {
            self.engine.tasks.spawn(async move { change(&mut *held.await, &engine) });
        }
    }

    /// The public name of the stored session; `None` while nothing is stored. It authenticates nobody.
    #[doc(alias = "id")]
    #[doc(alias = "session_id")]
    pub async fn handle(&self) -> Result<Option<SessionHandle>> {
        Ok(self.ready().await?.stored().map(|(key, _)| SessionHandle::new(key)))
    }

    /// Whose session this is: the user who signed in to it, if anybody.
    pub async fn subject(&self) -> Result<Option<Subject>> {
        Ok(self.ready().await?.subject().cloned())
    }

    /// The user who is signed in; for routes that are for nobody else.
    ///
    /// # Errors
    /// [`ErrorKind::NotSignedIn`] if no user is; [`ErrorKind::Degraded`] if the store is down, and the route continues
    /// without the session.
    pub async fn require_subject(&self) -> Result<Subject> {
        let request = self.ready().await?;
        let kind = if request.is_degraded() { ErrorKind::Degraded } else { ErrorKind::NotSignedIn };
        request.subject().cloned().ok_or_else(|| Error::new(kind))
    }

    /// When the user signed in to this session; a sign-in in this request counts once it is saved.
    pub async fn authenticated_at(&self) -> Result<Option<SystemTime>> {
        Ok(self.times().await?.and_then(|times| times.authenticated_at))
    }

    /// Whether the user signed in less than `duration` ago: what to ask before anything that wants a recent proof of
    /// identity. A sign-in in this request counts.
    pub async fn authenticated_within(&self, duration: Duration) -> Result<bool> {
        let request = self.ready().await?;
        let at = request.stored().and_then(|(_, snapshot)| snapshot.header.authenticated_at);
        let recent = at.is_some_and(|at| self.engine.now() < at.saturating_add(duration));
        Ok(recent || request.signs_in())
    }

    /// Why the session is what it is.
    pub async fn status(&self) -> Result<SessionStatus> {
        Ok(self.ready().await?.status())
    }

    /// Since when the stored session exists and when it will end; `None` while nothing is stored.
    pub async fn times(&self) -> Result<Option<SessionTimes>> {
        let request = self.ready().await?;
        Ok(request.stored().map(|(_, snapshot)| SessionTimes::of(snapshot, &self.engine.rules.policy)))
    }

    /// Whether the request continues without its session, because the store is down and the route
    /// [allows it](RouteOptions::degraded): reads find nothing, writes fail.
    pub async fn is_degraded(&self) -> Result<bool> {
        Ok(self.ready().await?.is_degraded())
    }
}

impl Session {
    /// The request with its session loaded, or with one that a later version has written.
    async fn writable_newer_too(&self) -> Result<HeldRequest<'_>> {
        let mut request = self.held().await?;
        if let Err(error) = request.ready(&self.engine).await
            && !(request.is_newer() && error.kind() == ErrorKind::Unavailable)
        {
            return Err(request.refuse(error));
        }
        request.check_writable()?;
        Ok(request)
    }
}
