//! What each adapter adds to the time of a request, beside what the tower layer adds: the same engine, in memory, on one
//! thread, without a network.
//!
//! `cargo run --release -p cloakroom-benches --bin adapter-cost`
//!
//! Each framework serves the same application with sessions and without. Every round sends a batch of each kind to each,
//! one after the other, so that whatever else the machine does hits all of them alike; the middle one of all rounds'
//! batches counts. A batch of requests that do not use their session is compared with one to the application without
//! sessions; one that reads or writes, with the first.

use std::time::{Duration, Instant};

use cloakroom_benches::frameworks::{Actix, Application, Axum, Hyper, Poem, Rocket, Salvo, Tower, sessions};
use tokio::task::LocalSet;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, measure());
}

/// The same application with sessions and without, and how long its batches took.
struct Subject<A> {
    name: &'static str,
    bare: A,
    with_sessions: A,
    cookie: String,
    times: [Vec<Duration>; 4],
}

impl<A: Application> Subject<A> {
    async fn new(name: &'static str) -> Self {
        let (bare, with_sessions) = (A::new(None).await, A::new(Some(sessions())).await);
        let cookie = with_sessions.get("/write", "a=1").await.expect("a session begins");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Self { name, bare, with_sessions, cookie, times: Default::default() }
    }

    async fn round(&mut self) {
        let kinds = [
            (&self.bare, "/plain"),
            (&self.with_sessions, "/plain"),
            (&self.with_sessions, "/read"),
            (&self.with_sessions, "/write"),
        ];
        for ((app, path), times) in kinds.into_iter().zip(&mut self.times) {
            let started = Instant::now();
            for _ in 0..BATCH {
                app.get(path, &self.cookie).await;
            }
            times.push(started.elapsed());
        }
    }

    /// Prints a line; answers what untouched, read and write add, in nanoseconds.
    fn report(self, tower: Option<[f64; 3]>) -> [f64; 3] {
        let [bare, untouched, read, write] = self.times.map(median);
        let added = [untouched - bare, read - bare, write - bare];
        print!("{:<16} {bare:>7.0}", self.name);
        for (index, added) in added.into_iter().enumerate() {
            let ratio = added / tower.map_or(added, |tower| tower[index]);
            print!(" {added:>9.0} {ratio:>5.2}");
        }
        println!();
        added
    }
}

async fn measure() {
    let mut tower = Subject::<Tower>::new("tower").await;
    let mut hyper = Subject::<Hyper>::new("http_v1").await;
    let mut axum = Subject::<Axum>::new("axum_v0_8").await;
    let mut actix = Subject::<Actix>::new("actix_v4").await;
    let mut rocket = Subject::<Rocket>::new("rocket_v0_5").await;
    let mut poem = Subject::<Poem>::new("poem_v3").await;
    let mut salvo = Subject::<Salvo>::new("salvo_v1").await;
    for _ in 0..ROUNDS {
        tower.round().await;
        hyper.round().await;
        axum.round().await;
        actix.round().await;
        rocket.round().await;
        poem.round().await;
        salvo.round().await;
    }
    println!(
        "nanoseconds a request without sessions, what they add, and how often what they add under tower"
    );
    println!(
        "{:<16} {:>7} {:>9} {:>5} {:>9} {:>5} {:>9} {:>5}",
        "", "bare", "untouched", "", "read", "", "write", ""
    );
    let base = Some(tower.report(None));
    hyper.report(base);
    axum.report(base);
    actix.report(base);
    rocket.report(base);
    poem.report(base);
    salvo.report(base);
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e9 / f64::from(BATCH)
}

const ROUNDS: usize = 301;
const BATCH: u32 = 200;
