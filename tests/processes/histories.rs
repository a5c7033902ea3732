//! The history checker, over several server processes of which some are killed.

use cloakroom_tests::history::check;
use cloakroom_tests::history::run::{Rng, Town};

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
