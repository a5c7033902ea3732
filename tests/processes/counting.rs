//! Counting: nothing is lost, nothing counts twice.

use cloakroom_tests::{Request, Response, Server};
use tokio::task::JoinSet;

use crate::servers::Shared;

/// Waits here are for real work, on a machine that may be busy.
const PATIENT: &str = "lock_timeout = '1m'\nstore_timeout = '1m'\nstore_budget = '1m'";

/// One client at each server sends `request` `times` times, all with the cookies of the first browser; all responses.
async fn hammer(servers: &[Server], times: usize, request: Request) -> Vec<Response> {
    let first = servers[0].browser();
    assert_eq!(first.post("/set=other:1").await.status, 200);
    let mut clients = JoinSet::new();
    for server in servers {
        let (tab, request) = (first.at_address(server.address), request.clone());
        clients.spawn(async move {
            let mut responses = Vec::new();
            for _ in 0..times {
                responses.push(tab.send(request.clone()).await);
            }
            responses
        });
    }
    let responses = clients.join_all().await.concat();
    let last = first.get("/get=n/get=other").await;
    assert_eq!(last.body, format!("{} 1", servers.len() * times));
    responses
}

/// Every number from one on, each once.
fn assert_each_once(responses: &[Response]) {
    let mut answers: Vec<usize> = responses.iter().map(|response| response.body.parse().unwrap()).collect();
    answers.sort_unstable();
    assert!(answers.into_iter().eq(1..=responses.len()));
}

/// U1, U4. Without a lock: GET requests never have the session to themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_update_a_session_500_times_each_exactly() {
    let shared = Shared::new("full");
    let servers = shared.servers(8, PATIENT).await;
    let responses = hammer(&servers, 500, Request::get("/add=n")).await;
    assert_each_once(&responses);
}

/// U1, L1. Reading, adding one, and inserting; who holds the lock is alone in the place where there is room for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_read_modify_and_write_under_a_lock_200_times_each_exactly() {
    let shared = Shared::new("full");
    let servers = shared.servers(8, PATIENT).await;
    let responses = hammer(&servers, 200, Request::get("/lock/enter/inc=n/yield/leave")).await;
    assert!(responses.iter().all(|response| response.status == 200), "no 409, no 503, no panic");
    assert_each_once(&responses);
}
