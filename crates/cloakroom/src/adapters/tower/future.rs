use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cloakroom_store::BoxFuture;
use http::header::{HeaderName, HeaderValue, SET_COOKIE};
use http::{HeaderMap, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::answer::{Answer, Closing, Header, Reply};
use crate::session::Session;

pin_project! {
    /// The response of a [`SessionService`](super::SessionService).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        stage: Stage<S, B, S::Future, S::Response>,
        session: Option<Open>,
    }
}

pin_project! {
    #[project = StageProjection]
    #[project_replace = StageOwned]
    enum Stage<S, B, F, R> {
        Preparing { preparation: BoxFuture<'static, Option<Reply>>, service: S, request: Request<B> },
        Handling { #[pin] response: F },
        Closing { closing: Closing, response: R },
        Done,
    }
}

/// A session whose request has not ended: if this is dropped, it was cut off.
struct Open(Session);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Dropped by a panic of the handler, while it can be told from a client that goes away: when a layer around us
/// catches the panic, our future is dropped later.
struct Unwinding<'a>(&'a Session);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.abandon();
        }
    }
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    /// An outer layer looks after the session.
    pub(super) fn shared(response: S::Future) -> Self {
        Self { stage: Stage::Handling { response }, session: None }
    }

    pub(super) fn handling(response: S::Future, session: Session) -> Self {
        Self { stage: Stage::Handling { response }, session: Some(Open(session)) }
    }

    pub(super) fn preparing(
        preparation: BoxFuture<'static, Option<Reply>>,
        service: S,
        request: Request<B>,
        session: Session,
    ) -> Self {
        Self { stage: Stage::Preparing { preparation, service, request }, session: Some(Open(session)) }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Preparing { preparation, .. } => {
                    let refusal = ready!(preparation.as_mut().poll(cx));
                    let StageOwned::Preparing { mut service, request, .. } =
                        this.stage.as_mut().project_replace(Stage::Done)
                    else {
                        continue;
                    };
                    if let Some(reply) = refusal {
                        return Poll::Ready(Ok(replacement(reply)));
                    }
                    this.stage.set(Stage::Handling { response: service.call(request) });
                }
                StageProjection::Handling { response } => {
                    let Some(Open(session)) = this.session.as_ref() else {
                        return response.poll(cx);
                    };
                    // An error of the inner service is no response: the session is abandoned.
                    let unwinding = Unwinding(session);
                    let response = ready!(response.poll(cx))?;
                    drop(unwinding);
                    let closing = session.close(response.status().as_u16());
                    this.stage.set(Stage::Closing { closing, response });
                }
                StageProjection::Closing { closing, .. } => {
                    let answer = ready!(Pin::new(closing).poll(cx));
                    let StageOwned::Closing { mut response, .. } =
                        this.stage.as_mut().project_replace(Stage::Done)
                    else {
                        continue;
                    };
                    return Poll::Ready(Ok(match answer {
                        Answer::Keep(headers) => {
                            apply(response.headers_mut(), headers.iter());
                            response
                        }
                        Answer::Replace(reply) => replacement(reply),
                    }));
                }
                StageProjection::Done => panic!("polled after it was ready"),
            }
        }
    }
}

fn replacement<R: From<String>>(reply: Reply) -> Response<R> {
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let (headers, body) = reply.into_parts();
    let mut response = Response::new(R::from(body));
    *response.status_mut() = status;
    apply(response.headers_mut(), headers);
    response
}

fn apply(map: &mut HeaderMap, headers: impl Iterator<Item = Header>) {
    for Header { name, value, replaces } in headers {
        let name = HeaderName::from_static(name);
        let value = match value {
            Cow::Borrowed(text) => Ok(HeaderValue::from_static(text)),
            Cow::Owned(text) => HeaderValue::try_from(text),
        };
        // The engine writes visible ASCII only.
        let Ok(mut value) = value else { continue };
        // A token: not to be printed, nor to be kept in the compression state of HTTP/2 (RFC 7541 §7.1.3).
        value.set_sensitive(name == SET_COOKIE);
        if replaces {
            map.insert(name, value);
        } else {
            map.append(name, value);
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
