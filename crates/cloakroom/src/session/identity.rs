//! Whose session it is, under which secret, and for how long.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use cloakroom_store::Subject;
use tokio::runtime::Handle;
use tokio::task::coop::unconstrained;

use super::{HeldRequest, Session};
use crate::config::MAX_LIFETIME;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{SessionHandle, SessionStatus, SessionTimes};
use crate::lifecycle::Remember;
use crate::request::Request;
use crate::route_options::RouteOptions;

/// Identity.
impl Session {
    /// Binds the session to a user, under a new secret; the old one is dead at once. The same user again is a
    /// re-authentication. It begins the absolute lifetime anew, unless the session is [remembered](Self::remember): that one
    /// keeps its end.
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

    /// Replaces the session's secret and keeps its data. Requests that are under way with the old secret are served, and a
    /// response that gets lost does not sign the visitor out: the old secret works until `grace` after the new one was first presented, and
    /// at most for `idle_timeout` or an hour. A further rotation changes nothing meanwhile, unless the new secret has not
    /// been presented for a grace time.
    ///
    /// This does not throw out a thief, who gets the new secret too: see [`elevate`](Self::elevate). In a late request it does
    /// nothing. If its response arrives after that of a [`sign_in`](Self::sign_in), the browser keeps the wrong cookie, and the
    /// visitor signs in again.
    ///
    /// # Errors
    /// [`ErrorKind::HeadSent`] after the response head.
    pub async fn rotate(&self) -> Result<()> {
        let mut request = self.writable().await?;
        request.check_head()?;
        request.rotate();
        Ok(())
    }

    /// Replaces the session's secret and keeps its data; every other secret is dead at once, during the grace of a rotation,
    /// too. To be called when the user gets more rights: other holders of the session's cookie lose access. A
    /// [`sign_in`](Self::sign_in) does the same by itself.
    ///
    /// A second request that was sent at the same time, as by a double click, fails with [`ErrorKind::Ended`], and the
    /// cookie of the first stays. On a session that is not stored yet there is nothing to replace.
    ///
    /// ```
    /// # async fn become_admin(session: cloakroom::Session) -> cloakroom::Result<()> {
    /// session.elevate().await?;
    /// session.insert("admin", &true).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Ended`] if the session was ended, or its secret replaced, while this request ran or shortly before;
    /// [`ErrorKind::HeadSent`] after the response head.
    #[doc(alias = "regenerate")]
    #[doc(alias = "cycle_id")]
    #[doc(alias = "cycle_key")]
    pub async fn elevate(&self) -> Result<()> {
        let mut request = self.writable().await?;
        request.check_head()?;
        request.elevate()
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
    /// not. To be called after [`sign_in`](Self::sign_in) in the same request, or within `remember_within` of it.
    ///
    /// It lasts until [`forget`](Self::forget), or until another user signs in. A re-authentication of the same user leaves
    /// it, and its end, as they are.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # async fn sign_in(session: cloakroom::Session) -> cloakroom::Result<()> {
    /// session.sign_in("ann").await?;
    /// session.remember(Duration::from_secs(30 * 24 * 3600)).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotSignedIn`] if no user is signed in, [`ErrorKind::ReauthenticationRequired`] if the sign-in was too long
    /// ago, [`ErrorKind::Unsupported`] if the duration is not between a second and 400 days (the longest life of a cookie,
    /// RFC 6265bis §5.5), [`ErrorKind::HeadSent`] after the response head.
    pub async fn remember(&self, duration: Duration) -> Result<()> {
        if !(Duration::from_secs(1)..=MAX_LIFETIME).contains(&duration) {
            let detail = "a session is remembered for a second to 400 days";
            return Err(Error::with_detail(ErrorKind::Unsupported, detail));
        }
        let mut request = self.writable().await?;
        request.check_head()?;
        request.check_held()?;
        if request.subject().is_none() {
            return Err(request.refuse(Error::new(ErrorKind::NotSignedIn)));
        }
        if !request.authenticated_within(self.engine.settings().remember_within, self.engine.now()) {
            return Err(request.refuse(Error::new(ErrorKind::ReauthenticationRequired)));
        }
        request.remember(Remember::For(duration));
        Ok(())
    }

    /// Undoes [`remember`](Self::remember): the session has the limits of the settings, counted from now, but ends no later
    /// than it would have. The cookie goes when the browser is closed, unless the setting `persistent` is on. A session that
    /// is not remembered stays as it is.
    ///
    /// ```
    /// # async fn on_a_shared_computer(session: cloakroom::Session) -> cloakroom::Result<()> {
    /// session.forget().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::HeadSent`] after the response head.
    pub async fn forget(&self) -> Result<()> {
        let mut request = self.writable().await?;
        request.check_head()?;
        request.remember(Remember::No);
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
    pub(super) fn change(&self, change: impl FnOnce(&mut Request, &Engine) + Send + 'static) {
        if let Ok(mut request) = self.request.try_lock() {
            return change(&mut request, &self.engine);
        }
        let mut held = Box::pin(unconstrained(Arc::clone(&self.request).lock_owned()));
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
    /// identity. A sign-in in this request counts; one in the future, by a clock that ran ahead, does not.
    pub async fn authenticated_within(&self, duration: Duration) -> Result<bool> {
        let request = self.ready().await?;
        Ok(request.authenticated_within(duration, self.engine.now()))
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
