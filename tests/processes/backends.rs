//! Two server processes on one server of every kind, or one file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom_tests::{Backend, Browser, Request, Server, on_backends};
use tokio::task::JoinSet;

use crate::servers::sites;

/// Waits here are for real work, on a machine that may be busy.
const PATIENT: &str = "lock_timeout = '2m'\nstore_timeout = '1m'\nstore_budget = '2m'";
const CLIENTS: usize = 16;

on_backends!(two_processes_with_sixteen_clients_each_update_a_session_exactly:
    redis redis_sentinel redis_cluster postgres mariadb sqlite memcached memcached_pair);
on_backends!(two_processes_with_sixteen_clients_each_read_modify_and_write_under_a_lock_exactly:
    redis redis_sentinel redis_cluster postgres mariadb sqlite memcached memcached_pair);

/// U1, U4. Without a lock: GET requests never have the session to themselves.
async fn two_processes_with_sixteen_clients_each_update_a_session_exactly(backend: Backend) {
    let backend = backend.start();
    let servers = sites(2, &backend, PATIENT).await;
    hammer(&servers, 10_000, Request::get("/add=n")).await;
}

/// U1, L1. Who holds the lease is alone in the place where there is room for one. Within a process requests come to their
/// turn in the order of their coming: between the asking and the turn of one there are about as many turns of others as for
/// any other.
async fn two_processes_with_sixteen_clients_each_read_modify_and_write_under_a_lock_exactly(
    backend: Backend,
) {
    let backend = backend.start();
    let servers = sites(2, &backend, PATIENT).await;
    let request = Request::get("/entered/lock/entered/enter/inc=n/leave");
    for answers in hammer(&servers, 2_000, request).await {
        let mut passed_by: Vec<_> = answers.iter().map(|numbers| numbers[1] - numbers[0]).collect();
        passed_by.sort_unstable();
        let (median, most) = (passed_by[passed_by.len() / 2], passed_by[passed_by.len() - 1]);
        assert!(most <= 5 * median, "{most} others came first, where the median is {median}");
    }
}

/// The clients of each server send `request`, `times` times all together, with the cookies of one browser. The last number
/// in each answer is one of its own. All answers, by server.
async fn hammer(servers: &[Server], times: usize, request: Request) -> Vec<Vec<Vec<usize>>> {
    let first = servers[0].browser();
    assert_eq!(first.post("/set=other:1").await.status, 200);
    let left = Arc::new(AtomicUsize::new(times));
    let mut clients = JoinSet::new();
    for (index, server) in servers.iter().enumerate() {
        for _ in 0..CLIENTS {
            let (tab, request, left) = (first.at_address(server.address), request.clone(), Arc::clone(&left));
            clients.spawn(async move {
                let mut answers = Vec::new();
                let one_less = |left: usize| left.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
                    answers.push(answer(&tab, &request).await);
                }
                (index, answers)
            });
        }
    }
    let mut answers = vec![Vec::new(); servers.len()];
    while let Some(client) = clients.join_next().await {
        let (index, of_client) = client.unwrap();
        answers[index].extend(of_client);
    }
    let mut counts: Vec<_> = answers.iter().flatten().map(|numbers| *numbers.last().unwrap()).collect();
    counts.sort_unstable();
    assert!(counts.into_iter().eq(1..=times), "every number once");
    assert_eq!(first.get("/get=n/get=other").await.body, format!("{times} 1"));
    answers
}

async fn answer(tab: &Browser, request: &Request) -> Vec<usize> {
    let response = tab.send(request.clone()).await;
    assert_eq!(response.status, 200, "no 409, no 503: {response:?}");
    response.body.split(' ').map(|number| number.parse().unwrap()).collect()
}
