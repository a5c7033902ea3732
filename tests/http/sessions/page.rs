use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::any;
use cloakroom::stores::MemoryStore;
use cloakroom::testing::FaultyStore;
use cloakroom::{Error, ErrorKind, Session, SessionKey, Settings};
use cloakroom_store::BoxFuture;
use cloakroom_tests::{Browser, Request, Response, Site};

pub(super) const COUNT: SessionKey<u64> = SessionKey::new("count");

/// A site with one page, which does to its session what the test sends it to do.
pub(super) struct Page {
    pub(super) site: Site,
    pub(super) store: FaultyStore<MemoryStore>,
    jobs: Jobs,
    next: AtomicUsize,
}

/// What came of one request.
pub(super) struct Visit<T> {
    pub(super) response: Response,
    result: Result<T, Error>,
}

type Job = Box<dyn FnOnce(Session) -> BoxFuture<'static, Result<(), Error>> + Send>;
type Jobs = Arc<Mutex<HashMap<String, Job>>>;

impl Page {
    pub(super) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let (jobs, store) = (Jobs::default(), FaultyStore::new(MemoryStore::new()));
        let routes = Router::new().route("/", any(run)).with_state(Arc::clone(&jobs));
        let site = Site::start(store.clone(), settings, routes).await;
        Self { site, store, jobs, next: AtomicUsize::new(0) }
    }

    pub(super) fn browser(&self) -> Browser {
        Browser::new(&self.site)
    }

    /// A GET request that does this.
    pub(super) async fn get<T, W, F>(&self, browser: &Browser, work: W) -> Visit<T>
    where
        T: Any + Send,
        W: FnOnce(Session) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.send(browser, Request::get("/"), work).await
    }

    /// A POST request that does this.
    pub(super) async fn post<T, W, F>(&self, browser: &Browser, work: W) -> Visit<T>
    where
        T: Any + Send,
        W: FnOnce(Session) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.send(browser, Request::post("/"), work).await
    }

    /// A request of this kind that does this.
    pub(super) async fn send<T, W, F>(&self, browser: &Browser, request: Request, work: W) -> Visit<T>
    where
        T: Any + Send,
        W: FnOnce(Session) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let number = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let outcome = Arc::new(Mutex::new(None));
        let job: Job = Box::new({
            let outcome = Arc::clone(&outcome);
            |session| {
                Box::pin(async move {
                    let result = work(session).await;
                    let answer = result.as_ref().map(drop).map_err(Clone::clone);
                    *outcome.lock().unwrap() = Some(result);
                    answer
                })
            }
        });
        self.jobs.lock().unwrap().insert(number.clone(), job);
        let response = browser.send(request.header("job", number)).await;
        let result = outcome.lock().unwrap().take().expect("the handler ran to its end");
        Visit { response, result }
    }
}

async fn run(State(jobs): State<Jobs>, headers: HeaderMap, session: Session) -> Result<(), Error> {
    let number = headers["job"].to_str().unwrap();
    let job = jobs.lock().unwrap().remove(number).expect("a job of this number");
    job(session).await
}

impl<T> Visit<T> {
    /// What the handler answered, all having gone well.
    #[track_caller]
    pub(super) fn value(self) -> T {
        assert_eq!(self.response.status, 200, "{}", self.response.body);
        self.result.unwrap()
    }

    /// The kind of error that the handler ran into.
    #[track_caller]
    pub(super) fn error(self) -> ErrorKind {
        self.result.err().expect("an error").kind()
    }

    /// The handler went well.
    #[track_caller]
    pub(super) fn ok(self) -> Response {
        self.result.map(drop).unwrap();
        self.response
    }
}
