//! The history checker, over several server processes of which some are killed. There are sockets between them and the
//! browsers, and the clock is the system's. The seed decides what is asked of whom and who is killed; what happens at the
//! same time is for the machine to decide.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cloakroom::Locking;
use cloakroom::testing::Jar;
use cloakroom_test_checker::{
    Action, App, COOKIE, Cookie, History, Plan, Received, Request, Response, Rng, Rules, Stage, SystemClock,
    Whose, check, handle_of,
};
use cloakroom_tests::{Browser, Server};
use tokio::task::JoinSet;

use crate::servers::{Shared, times};

/// All properties that the checker knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_several_processes_on_one_folder_hold_what_is_promised() {
    let first = times("CLOAKROOM_HISTORY_SEED", 0);
    let count = if first > 0 { 1 } else { times("CLOAKROOM_PROCESS_HISTORIES", 5) };
    let (mut requests, mut killed) = (0, 0);
    for seed in (first.max(1)..).take(count) {
        let seed = seed as u64;
        let mut rng = Rng::new(seed);
        let shared = Shared::new(if rng.one_in(2) { "full" } else { "relaxed" });
        let town = Town {
            servers: rng.within(2..5),
            requests: rng.within(20..80),
            at_once: rng.within(2..5),
            kill_one_in: *rng.pick(&[10, 20, 1_000]),
        };
        let history = town.run(seed, async |settings| shared.site("history", settings).await).await;
        requests += history.requests.len();
        killed += history.requests.iter().filter(|request| request.response.is_none()).count();
        if let Err(violations) = check(&history) {
            let all: Vec<_> = violations.iter().map(ToString::to_string).collect();
            panic!(
                "seed {seed}:\n{}\nperhaps once more with CLOAKROOM_HISTORY_SEED={seed}, though not in the same order",
                all.join("\n")
            );
        }
    }
    println!("{count} histories of {requests} requests, {killed} of them without an answer: no violation");
}

/// Server processes on one store, and their browsers.
#[derive(Debug)]
struct Town {
    /// How many servers there are at a time.
    servers: usize,
    /// How many requests the browsers send.
    requests: usize,
    /// How many of one browser at a time.
    at_once: usize,
    /// A server is killed, and replaced by another, once in so many requests.
    kill_one_in: usize,
}

/// What the requests under way share.
#[derive(Debug, Default)]
struct Traffic {
    requests: Mutex<Vec<Request>>,
}

impl Town {
    /// Makes a history. `start` starts a server process with these settings (TOML) that serves [`App`].
    async fn run(&self, seed: u64, start: impl AsyncFn(&str) -> Server) -> History {
        let mut rng = Rng::new(seed);
        let mut plan = Plan::new(&mut rng, seed, false, None);
        let settings = settings(plan.settings.locking);
        let mut servers = Vec::new();
        for _ in 0..self.servers {
            servers.push(start(&settings).await);
        }
        let jars: Vec<_> = (0..3).map(|_| Arc::new(Mutex::new(Jar::new("localhost")))).collect();
        let traffic = Arc::new(Traffic::default());
        let mut under_way = JoinSet::new();
        for begun in 0..self.requests {
            // Until there is a session, most requests would begin one each.
            let at_most = if begun < jars.len() { 0 } else { self.at_once * jars.len() - 1 };
            while under_way.len() > at_most {
                under_way.join_next().await.unwrap().unwrap();
            }
            if rng.one_in(self.kill_one_in) {
                let server = rng.within(0..servers.len());
                servers[server].process.kill();
                servers[server] = start(&settings).await;
            }
            let browser = rng.within(0..jars.len());
            let has_session = jars[browser].lock().unwrap().get(COOKIE).is_some();
            let actions = plan.request(&mut rng, has_session);
            let reads = !actions.iter().any(|action| action.uses_session() && *action != Action::Look);
            // What a method is meant for does not keep anybody from writing with it, and then without a lock.
            let path = Action::path(&actions);
            let request = if reads || rng.one_in(4) {
                cloakroom_tests::Request::get(path)
            } else {
                cloakroom_tests::Request::post(path)
            };
            let cookie = jars[browser].lock().unwrap().get(COOKIE).map(str::to_owned);
            let number = traffic.begin(Whose::Browser(browser), actions, cookie);
            let [server, probe] = [(); 2].map(|()| rng.pick(&servers).browser());
            let delay = Duration::from_micros(rng.within(0..4_000) as u64);
            let carry = Arc::clone(&traffic).carry(number, request, server, probe, delay);
            let jar = Arc::clone(&jars[browser]);
            under_way.spawn(async move {
                for cookie in carry.await {
                    jar.lock().unwrap().receive(&cookie, "/", true).unwrap();
                }
            });
            tokio::time::sleep(Duration::from_micros(rng.within(0..2_000) as u64)).await;
        }
        while let Some(done) = under_way.join_next().await {
            done.unwrap();
        }
        let cookies: Vec<_> = traffic
            .requests()
            .iter()
            .filter_map(|request| Some(request.received_cookie()?.to_owned()))
            .collect();
        for cookie in cookies {
            traffic.look(Whose::Last, cookie, rng.pick(&servers).browser()).await;
        }
        let requests = std::mem::take(&mut *traffic.requests());
        History { seed: Some(seed), rules: Rules::default(), requests }
    }
}

/// As TOML; everything else is as [`Rules::default`] says. No request gives up because the machine is busy.
fn settings(locking: Locking) -> String {
    let locking = match locking {
        Locking::ByMethod => "by_method",
        Locking::Implicit => "implicit",
        Locking::Early => "early",
        Locking::Explicit => "explicit",
        other => unreachable!("{other:?} is in no plan"),
    };
    format!(
        "locking = '{locking}'\nlock_timeout = '1m'\nstore_timeout = '1m'\nstore_budget = '1m'\nsweep_interval = '0s'"
    )
}

impl Traffic {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap()
    }

    /// Notes a request that begins now.
    fn begin(&self, whose: Whose, actions: Vec<Action>, sent: Option<Cookie>) -> usize {
        let start = SystemClock.now();
        let mut requests = self.requests();
        requests.push(Request { whose, actions, sent, start, hung_up: None, response: None });
        requests.len() - 1
    }

    /// Carries a request to its server; the cookies to be set when its response has reached the browser, after a delay.
    async fn carry(
        self: Arc<Self>,
        number: usize,
        request: cloakroom_tests::Request,
        server: Browser,
        probe: Browser,
        delay: Duration,
    ) -> Vec<String> {
        let set_cookies = self.exchange(number, request, server).await;
        let has_now = {
            let request = &self.requests()[number];
            request.response.as_ref().and_then(|response| match &response.cookie {
                Received::Set(cookie) => Some(cookie.clone()),
                Received::Removed => None,
                Received::Nothing => request.sent.clone().filter(|_| response.report.is_some()),
            })
        };
        if let Some(cookie) = has_now.filter(|cookie| handle_of(cookie).is_some()) {
            self.look(Whose::ProbeOf(number), cookie, probe).await;
        }
        tokio::time::sleep(delay).await;
        set_cookies
    }

    /// Looks, with this cookie.
    async fn look(&self, whose: Whose, cookie: Cookie, server: Browser) {
        let actions = vec![Action::Look];
        let request = cloakroom_tests::Request::get(Action::path(&actions));
        let number = self.begin(whose, actions, Some(cookie));
        self.exchange(number, request, server).await;
    }

    /// Sends a request that was noted, and notes what comes back; the cookies it sets.
    async fn exchange(
        &self,
        number: usize,
        mut request: cloakroom_tests::Request,
        server: Browser,
    ) -> Vec<String> {
        if let Some(cookie) = &self.requests()[number].sent {
            request = request.header("Cookie", format!("{COOKIE}={cookie}"));
        }
        let answer = server.try_send(request).await;
        let now = SystemClock.now();
        let request = &mut self.requests()[number];
        let Ok(answer) = answer else {
            // Its server was killed.
            request.hung_up = Some(now);
            return Vec::new();
        };
        let set_cookies: Vec<_> = answer.cookies().into_iter().map(str::to_owned).collect();
        request.response = Some(Response {
            end: now,
            status: answer.status,
            cookie: Received::of(&set_cookies),
            report: answer.header(App::REPORT).map(|_| serde_json::from_str(&answer.body).unwrap()),
        });
        set_cookies
    }
}
