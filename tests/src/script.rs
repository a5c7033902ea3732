use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use cloakroom::{Error, ErrorKind, Session};
use http_body_util::channel::{Channel, Sender};

use crate::Gate;

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
/// | `subject`, `origin`, `within=60`, `handle` | answers that |
/// | `a`, `b` | passes the gate |
/// | `enter`, `leave` | is in a place where there is room for one, in all processes together; panics if it is taken |
/// | `entered` | answers how many requests of this process have entered so far |
/// | `yield` | lets other tasks run |
/// | `status=500`, `panic` | ends |
/// | `header` | sets a header and a cookie of its own on the response |
/// | `stream` | sends the response head, and does the rest in the body |
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

/// What a step does to the response.
enum Step {
    Says(String),
    Status(StatusCode),
    Header,
    Stream,
}

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
            "expire" => session.expire_cookie().await?,
            "remember" => session.remember(seconds()).await?,
            "no_touch" => session.no_touch(),
            "save" => session.save().await?,
            "reload" => says = session.reload().await?.to_string(),
            "lock" => session.lock().await?,
            "unlock" => session.unlock().await?,
            "subject" => says = session.subject().await?.map_or("-".into(), |who| who.as_str().to_owned()),
            "origin" => says = session.origin().await?.to_string(),
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
            "header" => return Ok(Step::Header),
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

    async fn stream(self, session: Session, steps: Vec<String>, mut sender: Sender<Bytes>) {
        for step in steps {
            let said = match self.attempt(&session, &step).await {
                Ok(Step::Says(said)) => said,
                Ok(_) => panic!("{step} comes too late: the head was sent"),
                Err(error) => kind(error.kind()),
            };
            if !said.is_empty() && sender.send_data(format!("{said} ").into()).await.is_err() {
                return;
            }
        }
    }
}

async fn play(State(script): State<Script>, session: Session, uri: Uri) -> Response {
    let mut said = Vec::new();
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    let mut steps = uri.path().split('/').map(str::to_owned);
    while let Some(step) = steps.next() {
        match script.attempt(&session, &step).await {
            Ok(Step::Says(text)) if text.is_empty() => {}
            Ok(Step::Says(text)) => said.push(text),
            Ok(Step::Status(code)) => status = code,
            Ok(Step::Header) => {
                headers.insert("x-handler", "here".parse().unwrap());
                headers.insert("set-cookie", "other=cookie".parse().unwrap());
            }
            Ok(Step::Stream) => {
                let (sender, body) = Channel::<Bytes>::new(1);
                tokio::spawn(script.stream(session, steps.collect(), sender));
                return Body::new(body).into_response();
            }
            Err(error) => return error.into_response(),
        }
    }
    (status, headers, said.join(" ")).into_response()
}

fn show(value: Option<u64>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

fn kind(kind: ErrorKind) -> String {
    format!("{kind:?}")
}
