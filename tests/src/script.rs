use std::convert::Infallible;
use std::fs::{self, File};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use cloakroom::{Error, ErrorKind, Session};
use futures_util::Stream;
use tokio::sync::mpsc;

use crate::gate::Gate;

/// An application that does what the path says, step by step: `/get=x/a/set=x:5` reads `x`, passes gate `a`, and sets
/// `x` to 5. What the steps answer is its body, separated by spaces. A step that fails ends it with that error, unless
/// it begins with `try.`, which answers the error's kind instead.
///
/// | step | does |
/// | --- | --- |
/// | `get=x`, `len` | reads; numbers, or `-` for none |
/// | `set=x:5`, `inc=x`, `remove=x`, `clear` | records; `inc` reads, adds one, and inserts |
/// | `add=x`, `take=x` | saves at once: `update` by one, and `take` |
/// | `in=ann`, `out`, `rotate`, `expire`, `remember=60`, `no_touch` | as the calls of the session |
/// | `save`, `reload`, `lock`, `unlock` | the same |
/// | `ended` | waits for the end of the session, and returns the reason |
/// | `subject`, `origin`, `within=60`, `handle` | answers that |
/// | `a`, `b` | passes the gate |
/// | `enter`, `leave` | is in a place where there is room for one, in all processes together; panics if it is taken |
/// | `entered` | answers how many requests of this process have entered so far |
/// | `yield` | lets other tasks run |
/// | `status=500`, `panic` | ends |
/// | `header` | sets a header and a cookie of its own on the response |
/// | `public` | sets headers that let caches keep the response |
/// | `stream` | sends the response head, and does the rest in the body |
/// | `gone` | in a stream: goes on sending until its client has gone |
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Gate `a`.
    pub a: Gate,
    /// Gate `b`.
    pub b: Gate,
    /// The place for one: a file that is there while somebody is in it.
    pub place: Option<PathBuf>,
    /// How many have been in it.
    pub entered: Arc<AtomicUsize>,
}

/// What a script answers, for its framework to make a response of.
#[derive(Debug)]
pub struct Played {
    /// The status.
    pub status: u16,
    /// Headers of its own.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body.
    pub body: PlayedBody,
}

/// The body of what was [`Played`].
#[derive(Debug)]
pub enum PlayedBody {
    /// All of it.
    Text(String),
    /// Piece by piece, after the head; whoever goes away drops it.
    Stream(mpsc::Receiver<String>),
}

/// What a step does to the response.
enum Step {
    Says(String),
    Status(u16),
    Headers(&'static [(&'static str, &'static str)]),
    Stream,
}

const OWN: [(&str, &str); 2] = [("x-handler", "here"), ("set-cookie", "other=cookie")];
const PUBLIC: [(&str, &str); 2] = [("cache-control", "public, max-age=60"), ("vary", "Accept-Language")];

impl Script {
    /// The routes of the application: all of them.
    pub fn routes(&self) -> Router {
        Router::new().fallback(play).with_state(self.clone())
    }

    async fn step(&self, session: &Session, step: &str) -> Result<Step, Error> {
        let (name, argument) = step.split_once('=').unwrap_or((step, ""));
        let seconds = || Duration::from_secs(argument.parse().expect("seconds"));
        let mut says = String::new();
        match name {
            "" => {}
            "get" => says = show(session.get::<u64>(argument).await?),
            "len" => says = session.len().await?.to_string(),
            "set" => {
                let (key, value) = argument.split_once(':').expect("key:value");
                session.insert(key, &value.parse::<u64>().expect("a number")).await?;
            }
            "inc" => {
                let count = session.get::<u64>(argument).await?.unwrap_or(0) + 1;
                session.insert(argument, &count).await?;
                says = count.to_string();
            }
            "remove" => session.remove(argument).await?,
            "clear" => session.clear().await?,
            "add" => {
                let add = |count: &mut Option<u64>| *count.insert(count.unwrap_or(0) + 1);
                says = session.update(argument, add).await?.to_string();
            }
            "take" => says = show(session.take::<u64>(argument).await?),
            "in" => session.sign_in(argument).await?,
            "out" => session.sign_out().await?,
            "rotate" => session.rotate().await?,
            "elevate" => session.elevate().await?,
            "forget" => session.forget().await?,
            "expire" => session.expire_cookie().await?,
            "remember" => session.remember(seconds()).await?,
            "no_touch" => session.no_touch(),
            "save" => session.save().await?,
            "reload" => says = session.reload().await?.to_string(),
            "ended" => says = session.ended().await?.await.to_string(),
            "lock" => session.lock().await?,
            "unlock" => session.unlock().await?,
            "subject" => says = session.subject().await?.map_or("-".into(), |who| who.as_str().to_owned()),
            "origin" => says = session.status().await?.to_string(),
            "handle" => says = session.handle().await?.map_or("-".into(), |handle| handle.to_string()),
            "within" => says = session.authenticated_within(seconds()).await?.to_string(),
            "a" => self.a.pass().await,
            "b" => self.b.pass().await,
            "enter" => {
                drop(File::create_new(self.place()).expect("nobody else is here"));
                self.entered.fetch_add(1, Ordering::SeqCst);
            }
            "entered" => says = self.entered.load(Ordering::SeqCst).to_string(),
            "leave" => fs::remove_file(self.place()).expect("we are here"),
            "yield" => tokio::task::yield_now().await,
            "status" => return Ok(Step::Status(argument.parse().expect("a status"))),
            "header" => return Ok(Step::Headers(&OWN)),
            "public" => return Ok(Step::Headers(&PUBLIC)),
            "stream" => return Ok(Step::Stream),
            "panic" => panic!("told to panic"),
            other => panic!("no such step: {other}"),
        }
        Ok(Step::Says(says))
    }

    fn place(&self) -> &PathBuf {
        self.place.as_ref().expect("a script with a place")
    }

    /// `step`, or with `try.` before it, what kind of error it came to.
    async fn attempt(&self, session: &Session, step: &str) -> Result<Step, Error> {
        match step.strip_prefix("try.") {
            None => self.step(session, step).await,
            Some(step) => {
                Ok(self.step(session, step).await.unwrap_or_else(|error| Step::Says(kind(error.kind()))))
            }
        }
    }

    /// Plays all steps of a path; what follows `stream`, in the background.
    ///
    /// # Errors
    /// The step's that fails.
    pub async fn play(&self, session: Session, path: &str) -> Result<Played, Error> {
        let mut said = Vec::new();
        let mut played = Played { status: 200, headers: &[], body: PlayedBody::Text(String::new()) };
        let mut steps = path.split('/').map(str::to_owned);
        while let Some(step) = steps.next() {
            match self.attempt(&session, &step).await? {
                Step::Says(text) if text.is_empty() => {}
                Step::Says(text) => said.push(text),
                Step::Status(code) => played.status = code,
                Step::Headers(headers) => played.headers = headers,
                Step::Stream => {
                    let (sender, pieces) = mpsc::channel(1);
                    tokio::spawn(self.clone().stream(session, steps.collect(), sender));
                    return Ok(Played { body: PlayedBody::Stream(pieces), ..played });
                }
            }
        }
        Ok(Played { body: PlayedBody::Text(said.join(" ")), ..played })
    }

    /// The same, for where there is no response: what the steps say, or the kind of the error.
    pub async fn say(&self, session: Session, path: &str) -> String {
        match self.play(session, path).await {
            Ok(Played { body: PlayedBody::Text(said), .. }) => said,
            Ok(_) => panic!("a stream inside a stream"),
            Err(error) => kind(error.kind()),
        }
    }

    async fn stream(self, session: Session, steps: Vec<String>, sender: mpsc::Sender<String>) {
        for step in steps {
            if step == "gone" {
                while sender.send(".".into()).await.is_ok() {}
                continue;
            }
            let said = match self.attempt(&session, &step).await {
                Ok(Step::Says(said)) => said,
                Ok(_) => panic!("{step} comes too late: the head was sent"),
                Err(error) => kind(error.kind()),
            };
            if !said.is_empty() && sender.send(format!("{said} ")).await.is_err() {
                return;
            }
        }
    }
}

impl Stream for PlayedBody {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self {
            Self::Text(text) if text.is_empty() => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(Some(Ok(std::mem::take(text).into()))),
            Self::Stream(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(|piece| Ok(piece.into()))),
        }
    }
}

/// For axum and other users of its body.
impl IntoResponse for Played {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            PlayedBody::Text(text) => text.into_response(),
            stream => Body::from_stream(stream).into_response(),
        };
        *response.status_mut() = self.status.try_into().unwrap();
        for (name, value) in self.headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        response
    }
}

async fn play(State(script): State<Script>, session: Session, uri: Uri) -> Result<Played, Error> {
    script.play(session, uri.path()).await
}

fn show(value: Option<u64>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

fn kind(kind: ErrorKind) -> String {
    format!("{kind:?}")
}
