use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom::{Error, ErrorKind, Session, SessionManager};
use cloakroom_store::BoxFuture;
use serde_json::Value;

use crate::action::{Action, Token};
use crate::history::{Done, Entry, Everything, Moment, Seen};

/// The application of the histories: it does what the path says, and answers a report.
#[derive(Clone, Debug)]
pub struct App {
    sessions: SessionManager,
    stage: Arc<dyn Stage>,
}

/// Where the application runs.
pub trait Stage: fmt::Debug + Send + Sync {
    /// The time, in the order that the whole history goes by.
    fn now(&self) -> Moment;

    /// Waits as long as the schedule wants.
    fn pause(&self) -> BoxFuture<'static, ()>;
}

/// The clock that all processes of a machine share.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Stage for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the servers are in other processes, and go by this clock")]
    fn now(&self) -> Moment {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Moment { order: now.as_nanos() as u64, millis: now.as_millis() as u64 }
    }

    /// A few milliseconds, more or less.
    fn pause(&self) -> BoxFuture<'static, ()> {
        let millis = self.now().order / 1_000 % 5;
        Box::pin(tokio::time::sleep(Duration::from_millis(millis)))
    }
}

impl App {
    /// The header that marks a response as the application's own.
    pub const REPORT: &'static str = "x-report";

    /// All routes, inside their session layer.
    pub fn router(sessions: SessionManager, stage: Arc<dyn Stage>) -> Router {
        let app = Self { sessions: sessions.clone(), stage };
        Router::new().fallback(play).with_state(app).layer(SessionLayer::new(sessions))
    }

    /// A look at a session, outside of any request.
    pub(crate) async fn probe(stage: &dyn Stage, session: &Session) -> Done {
        let mut done = Done { from: stage.now(), ..Done::default() };
        let result = async {
            done.session = handle(session).await?;
            done.user = session.subject().await?.map(|user| user.as_str().to_owned());
            done.seen = Some(look(session).await?);
            done.after.clone_from(&done.session);
            Ok::<_, Error>(())
        };
        done.error = result.await.err().map(|error| kind(error.kind()));
        done.until = stage.now();
        done
    }

    async fn act(&self, session: &Session, action: &Action, done: &mut Done) -> Result<(), Error> {
        if action.uses_session() {
            done.session = handle(session).await?;
            done.user = session.subject().await?.map(|user| user.as_str().to_owned());
        }
        let entry = |token: &Token| (*token, done.user.clone());
        match action {
            Action::Look => done.seen = Some(look(session).await?),
            Action::Append(token) => {
                let add = |list: &mut Option<Vec<Entry>>| {
                    let list = list.get_or_insert_default();
                    list.push(entry(token));
                    list.clone()
                };
                session.insert(HERE, &1).await?;
                done.seen = Some(Seen { list: session.update(LIST, add).await?, rest: None });
            }
            Action::Put(token) => {
                session.insert(HERE, &1).await?;
                let list: Vec<Entry> = session.get(LIST).await?.unwrap_or_default();
                session.insert(LIST, &[&list[..], &[entry(token)]].concat()).await?;
                done.seen = Some(Seen { list, rest: None });
            }
            Action::Pair(token) => {
                session.insert(HERE, &1).await?;
                session.insert(format!("left-{token}"), &done.user).await?;
                session.insert(format!("right-{token}"), &done.user).await?;
            }
            Action::Take => {
                let list: Vec<Entry> = session.take(LIST).await?.unwrap_or_default();
                done.seen = Some(Seen { list, rest: None });
            }
            Action::Transfer(from, to, amount) => transfer(session, [*from, *to], *amount).await?,
            Action::Lock => session.lock().await?,
            Action::Unlock => session.unlock().await?,
            Action::Save => session.save().await?,
            Action::SignIn(user) => session.sign_in(user).await?,
            Action::Remember => session.remember(Duration::from_millis(Action::REMEMBERED)).await?,
            Action::SignOut => session.sign_out().await?,
            Action::Rotate => session.rotate().await?,
            Action::Elevate => session.elevate().await?,
            Action::EndAll(user) => _ = self.sessions.end_all(user, None).await?,
            Action::Purge => _ = self.sessions.purge_expired().await?,
            Action::Pause => self.stage.pause().await,
            Action::Fail => {}
        }
        if action.uses_session() {
            done.after = handle(session).await?;
        }
        Ok(())
    }
}

async fn play(State(app): State<App>, session: Session, uri: Uri) -> Response {
    let actions = match Action::parse_path(uri.path()) {
        Ok(actions) => actions,
        Err(error) => return (StatusCode::NOT_FOUND, error).into_response(),
    };
    let mut status = StatusCode::OK;
    let mut report = Vec::new();
    for action in &actions {
        let mut done = Done { from: app.stage.now(), ..Done::default() };
        let result = app.act(&session, action, &mut done).await;
        done.until = app.stage.now();
        done.error = result.as_ref().err().map(|error| kind(error.kind()));
        report.push(done);
        if let Err(error) = result {
            status = StatusCode::from_u16(error.status()).expect("a status");
            break;
        }
        if *action == Action::Fail {
            status = StatusCode::INTERNAL_SERVER_ERROR;
        }
    }
    let body = serde_json::to_string(&report).expect("a report is JSON");
    (status, [(App::REPORT, "1")], body).into_response()
}

/// Everything, from one snapshot.
async fn look(session: &Session) -> Result<Seen, Error> {
    let entries = session.entries().await?;
    let (mut seen, mut rest) = (Seen::default(), Everything::default());
    let read = |value: &Value| serde_json::from_value(value.clone()).unwrap_or_default();
    for (key, value) in &entries {
        match key.split_once('-') {
            Some(("left", token)) => rest.left.push((token.parse().unwrap_or(0), read(value))),
            Some(("right", token)) => rest.right.push((token.parse().unwrap_or(0), read(value))),
            Some(_) => rest.accounts.push(value.as_i64().unwrap_or(0)),
            None if key == LIST => seen.list = serde_json::from_value(value.clone()).unwrap_or_default(),
            None => {}
        }
    }
    seen.rest = Some(rest);
    Ok(seen)
}

async fn transfer(session: &Session, [from, to]: [usize; 2], amount: i64) -> Result<(), Error> {
    let account = |number: usize| format!("account-{number}");
    match (session.get::<i64>(account(from)).await?, session.get::<i64>(account(to)).await?) {
        (Some(source), Some(target)) if from != to => {
            session.insert(account(from), &(source - amount)).await?;
            session.insert(account(to), &(target + amount)).await
        }
        (Some(_), Some(_)) => Ok(()),
        _ => {
            for number in 0..ACCOUNTS {
                session.insert(account(number), &(Everything::TOTAL / ACCOUNTS as i64)).await?;
            }
            session.insert(HERE, &1).await
        }
    }
}

async fn handle(session: &Session) -> Result<Option<String>, Error> {
    Ok(session.handle().await?.map(|handle| handle.to_string()))
}

fn kind(kind: ErrorKind) -> String {
    format!("{kind:?}")
}

const LIST: &str = "list";
/// Keeps a session that anybody has written to from ending when its list is taken.
const HERE: &str = "here";
const ACCOUNTS: usize = 3;
