//! What a session wants said in the response.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cloakroom_store::BoxFuture;

use crate::config::Settings;
use crate::error::Error;
#[cfg(any(feature = "http_v1", feature = "actix_v4", feature = "rocket_v0_5"))]
use crate::error::ErrorKind;
use crate::events;

/// What becomes of the handler's response. There will be no third variant: an adapter handles both.
#[derive(Debug)]
pub enum Answer {
    /// It is sent, with these headers.
    Keep(Headers),
    /// It is not sent; this is, without any of the handler's headers.
    Replace(Reply),
}

/// Headers to add to a response.
#[derive(Default)]
pub struct Headers {
    pub(crate) set_cookie: Option<String>,
    pub(crate) vary: bool,
    /// The page may be about the signed-in user of the session.
    pub(crate) private: bool,
}

/// One header to add to a response.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Its name, in lower case.
    pub name: &'static str,
    /// Its value: visible ASCII.
    pub value: Cow<'static, str>,
    /// What becomes of those of the same name that the response has.
    pub mode: HeaderMode,
}

/// How a header goes with those of the same name that the response has. There will be no fourth variant: an adapter handles
/// all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderMode {
    /// It is added to them.
    Append,
    /// It takes their place.
    Replace,
    /// It is added only if there is none.
    IfAbsent,
}

/// A whole response in plain text.
pub struct Reply {
    status: u16,
    body: String,
    pub(crate) set_cookie: Option<String>,
    retry_after: Option<u64>,
    vary: bool,
}

impl Headers {
    /// Each header to add.
    pub fn into_fields(self) -> impl Iterator<Item = Header> {
        // A cookie must not be kept by a cache (RFC 9111 §7.3 leaves that to us), and a page that depends on one is
        // for that one alone. What a signed-in user sees is not for a shared cache either, but where the handler knows
        // better (RFC 9111 §5.2.2.7).
        let cache = match (&self.set_cookie, self.private) {
            (Some(_), _) => Some(replace("cache-control", "no-store")),
            (None, true) => Some(header("cache-control", "private", HeaderMode::IfAbsent)),
            (None, false) => None,
        };
        let vary = self.vary.then(|| append("vary", "Cookie"));
        let set_cookie = self.set_cookie.map(|cookie| append("set-cookie", cookie));
        set_cookie.into_iter().chain(cache).chain(vary)
    }
}

impl Reply {
    /// The response that a handler makes of an error. What it depends on is said when the session is closed.
    ///
    /// The client is not told why. Where that is the application's own doing, whoever runs it is.
    pub(crate) fn failure(error: &Error) -> Self {
        if error.status() == 500 {
            events::failed(error);
        }
        Self {
            status: error.status(),
            body: error.public_message().to_owned(),
            set_cookie: None,
            retry_after: error.retry_after().map(|after| after.as_secs()),
            vary: false,
        }
    }

    /// The response of an adapter inside another that has the same cookie name and another engine. It depends on no
    /// cookie.
    #[cfg(any(feature = "http_v1", feature = "actix_v4", feature = "rocket_v0_5"))]
    pub(crate) fn clash(cookie_name: &str) -> Self {
        events::clash(cookie_name);
        let error = Error::new(ErrorKind::Unsupported);
        Self {
            status: error.status(),
            body: error.public_message().to_owned(),
            set_cookie: None,
            retry_after: None,
            vary: false,
        }
    }

    /// The same in place of the handler's response.
    pub(crate) fn instead(error: &Error) -> Self {
        Self { vary: true, ..Self::failure(error) }
    }

    /// The answer to a request whose session has expired.
    pub(crate) fn expired(settings: &Settings, removal: String) -> Self {
        Self {
            status: settings.expired_status,
            body: settings.expired_message.clone(),
            set_cookie: Some(removal),
            retry_after: None,
            vary: true,
        }
    }

    /// The response's status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Takes the reply apart: all headers, and the body.
    pub fn into_parts(self) -> (impl Iterator<Item = Header>, String) {
        let retry = self.retry_after.map(|seconds| replace("retry-after", seconds.to_string()));
        let content = replace("content-type", "text/plain; charset=utf-8");
        let no_store = replace("cache-control", "no-store");
        let vary = self.vary.then(|| append("vary", "Cookie"));
        let set_cookie = self.set_cookie.map(|cookie| append("set-cookie", cookie));
        ([content, no_store].into_iter().chain(vary).chain(retry).chain(set_cookie), self.body)
    }
}

impl Error {
    /// The response that tells a client about it, in plain text: the status, when to ask again, and what kind of error it
    /// is, without details. For a 500 the event `failed` has the details, at warn level.
    pub fn reply(&self) -> Reply {
        Reply::failure(self)
    }
}

fn replace(name: &'static str, value: impl Into<Cow<'static, str>>) -> Header {
    header(name, value, HeaderMode::Replace)
}

fn append(name: &'static str, value: impl Into<Cow<'static, str>>) -> Header {
    header(name, value, HeaderMode::Append)
}

fn header(name: &'static str, value: impl Into<Cow<'static, str>>, mode: HeaderMode) -> Header {
    Header { name, value: value.into(), mode }
}

/// The end of a request, under way: a future of its [`Answer`].
#[must_use = "nothing is saved unless it is polled"]
pub struct Closing(State);

enum State {
    Ready(Option<Answer>),
    Running(BoxFuture<'static, Answer>),
}

impl Closing {
    pub(crate) fn ready(answer: Answer) -> Self {
        Self(State::Ready(Some(answer)))
    }

    pub(crate) fn running(future: BoxFuture<'static, Answer>) -> Self {
        Self(State::Running(future))
    }
}

impl Future for Closing {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        match &mut self.0 {
            State::Ready(answer) => Poll::Ready(answer.take().expect("not polled after it was ready")),
            State::Running(future) => Poll::Ready(ready!(future.as_mut().poll(cx))),
        }
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").finish_non_exhaustive()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Headers").field("sets_cookie", &self.set_cookie.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Header {
    /// Does not show the value, which may be a cookie.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
