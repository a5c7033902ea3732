use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cloakroom_store::BoxFuture;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::adapters::http_v1::concluded;
use crate::answer::{Closing, Reply};
use crate::session::open::OpenSession;

pin_project! {
    /// The response of a [`SessionService`](super::SessionService).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        stage: Stage<S, B, S::Future, Result<S::Response, S::Error>>,
        session: Option<OpenSession>,
    }
}

pin_project! {
    #[project = StageProjection]
    #[project_replace = StageOwned]
    enum Stage<S, B, F, R> {
        Preparing { preparation: BoxFuture<'static, Option<Reply>>, service: S, request: Request<B> },
        Handling { #[pin] response: F },
        Closing { closing: Closing, response: R },
        Refused { reply: Option<Reply> },
        Done,
    }
}

/// Drops the session when the handler panics, while that can be told from a client that goes away: where a layer
/// around us catches the panic, our future is dropped later.
struct Unwinding<'a>(&'a mut Option<OpenSession>);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.take();
        }
    }
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    /// An outer layer looks after the session.
    pub(super) fn shared(response: S::Future) -> Self {
        Self { stage: Stage::Handling { response }, session: None }
    }

    /// No service is asked.
    pub(super) fn refused(reply: Reply) -> Self {
        Self { stage: Stage::Refused { reply: Some(reply) }, session: None }
    }

    pub(super) fn handling(response: S::Future, session: OpenSession) -> Self {
        Self { stage: Stage::Handling { response }, session: Some(session) }
    }

    pub(super) fn preparing(
        preparation: BoxFuture<'static, Option<Reply>>,
        service: S,
        request: Request<B>,
        session: OpenSession,
    ) -> Self {
        Self { stage: Stage::Preparing { preparation, service, request }, session: Some(session) }
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
                        return Poll::Ready(Ok(reply.into()));
                    }
                    this.stage.set(Stage::Handling { response: service.call(request) });
                }
                StageProjection::Handling { response } => {
                    let unwinding = Unwinding(this.session);
                    let response = ready!(response.poll(cx));
                    drop(unwinding);
                    let Some(session) = this.session.take() else { return Poll::Ready(response) };
                    // An error is no response, but a request that failed: as with a 500, only ends of sessions are saved.
                    let status =
                        response.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, Response::status);
                    let closing = session.close(status.as_u16());
                    this.stage.set(Stage::Closing { closing, response });
                }
                StageProjection::Closing { closing, .. } => {
                    let answer = ready!(Pin::new(closing).poll(cx));
                    let StageOwned::Closing { response, .. } =
                        this.stage.as_mut().project_replace(Stage::Done)
                    else {
                        continue;
                    };
                    return Poll::Ready(response.map(|response| concluded(response, answer)));
                }
                StageProjection::Refused { reply } => {
                    return Poll::Ready(Ok(reply.take().expect("not polled after it was ready").into()));
                }
                StageProjection::Done => panic!("polled after it was ready"),
            }
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
