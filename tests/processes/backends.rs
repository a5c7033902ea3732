//! Two server processes on one server of every kind, or one file.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

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
    let servers = sites(2, &backend, PATIENT).await;
    hammer(&servers, 10_000, Request::get("/add=n")).await;
}

/// U1, L1. Who holds the lease is alone in the place where there is room for one. Within a process requests come to their
/// turn in the order of their coming: nobody is passed by many others.
async fn two_processes_with_sixteen_clients_each_read_modify_and_write_under_a_lock_exactly(
    backend: Backend,
) {
    let servers = sites(2, &backend, PATIENT).await;
    for mut passed_by in hammer(&servers, 2_000, Request::get("/lock/enter/inc=n/leave")).await {
        passed_by.sort_unstable();
        let (median, most) = (passed_by[passed_by.len() / 2], passed_by[passed_by.len() - 1]);
        assert!(most <= 5 * median, "{most} others came first, where the median is {median}");
    }
}

/// The clients of each server send `request`, `times` times all together, with the cookies of one browser; each answer is a
/// number of its own. How many requests at the same server were answered while each was under way, by server.
async fn hammer(servers: &[Server], times: usize, request: Request) -> Vec<Vec<usize>> {
    let first = servers[0].browser();
    assert_eq!(first.post("/set=other:1").await.status, 200);
    let left = Arc::new(AtomicUsize::new(times));
    let answers = Arc::new(Mutex::new(Vec::new()));
    let mut passed_by = Vec::new();
    let mut clients = JoinSet::new();
    for (index, server) in servers.iter().enumerate() {
        let answered = Arc::new(AtomicUsize::new(0));
        passed_by.push(Vec::new());
        for _ in 0..CLIENTS {
            let (tab, request) = (first.at_address(server.address), request.clone());
            let (left, answers, answered) = (Arc::clone(&left), Arc::clone(&answers), Arc::clone(&answered));
            clients.spawn(async move {
                let mut passed_by = Vec::new();
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    let before = answered.load(Ordering::Relaxed);
                    let number = answer(&tab, &request).await;
                    passed_by.push(answered.fetch_add(1, Ordering::Relaxed) - before);
                    answers.lock().unwrap().push(number);
                }
                (index, passed_by)
            });
        }
    }
    while let Some(client) = clients.join_next().await {
        let (index, counts) = client.unwrap();
        passed_by[index].extend(counts);
    }
    let mut answers = std::mem::take(&mut *answers.lock().unwrap());
    answers.sort_unstable();
    assert!(answers.into_iter().eq(1..=times), "every number once");
    assert_eq!(first.get("/get=n/get=other").await.body, format!("{times} 1"));
    passed_by
}

async fn answer(tab: &Browser, request: &Request) -> usize {
    let response = tab.send(request.clone()).await;
    assert_eq!(response.status, 200, "no 409, no 503: {response:?}");
    response.body.parse().unwrap()
}
