//! F1, F8: no server, or one that says nothing. The answer is 503 in time, no cookie changes, and service resumes by itself.

use std::time::{Duration, Instant};

use cloakroom::Settings;
use cloakroom_tests::{Backend, Browser, Cut, Request, Response, behind_a_proxy};

use crate::house::{House, is_503, locked, resumes, unlocked};

behind_a_proxy!(
    when_the_server_says_nothing_any_more_the_answer_is_503_in_time_and_an_update_counts_at_most_once,
    when_nobody_listens_the_answer_is_503_and_service_resumes_by_itself,
);

async fn when_the_server_says_nothing_any_more_the_answer_is_503_in_time_and_an_update_counts_at_most_once(
    backend: Backend,
) {
    for (settings, cost) in [(unlocked(), backend.costs.write), (locked(), backend.costs.locked_write)] {
        let house = House::new(backend, impatient(settings)).await;
        let mut visitors = Vec::new();
        for _ in 0..cost {
            visitors.push(house.visitor().await);
        }
        for (nth, visitor) in (1..).zip(&visitors) {
            house.proxy.cut(nth, Cut::Silence);
            let (response, time) = timed(visitor, Request::post("/add=n")).await;
            let about = format!("silence from round trip {nth} on");
            is_503(&response, &about);
            assert!(time < BUDGET + SLACK, "{about}: {time:?}");
            // Whoever does not touch the session notices nothing, and others wait no longer.
            assert_eq!(visitor.get("/").await.status, 200);
            let (response, time) = timed(&Browser::new(&house.site), Request::post("/set=n:1")).await;
            is_503(&response, &about);
            assert!(time < BUDGET + SLACK, "{about}: {time:?}");

            house.proxy.heal().await;
            house.end_leases();
            let value = resumes(visitor, Request::get("/get=n")).await;
            assert!(value == "5" || value == "6", "{about}: {value}");
            // What was on the way has arrived by now, or comes too late.
            let after = resumes(visitor, Request::post("/add=n")).await;
            assert!(after == "6" || after == "7", "{about}: {after}");
            assert_eq!(resumes(visitor, Request::get("/get=n")).await, after, "{about}");
        }
    }
}

async fn when_nobody_listens_the_answer_is_503_and_service_resumes_by_itself(backend: Backend) {
    for settings in [unlocked(), locked()] {
        let house = House::new(backend, impatient(settings)).await;
        let visitor = house.visitor().await;
        let token = visitor.token();
        house.proxy.refuse();
        for _ in 0..3 {
            for request in [Request::get("/get=n"), Request::post("/add=n"), Request::post("/out")] {
                is_503(&visitor.send(request).await, "nobody listens");
            }
            is_503(&Browser::new(&house.site).post("/set=n:1").await, "nobody listens");
            assert_eq!(visitor.get("/").await.status, 200);
        }
        assert_eq!(visitor.token(), token);
        house.proxy.heal().await;
        assert_eq!(resumes(&visitor, Request::post("/add=n")).await, "6", "none of the others was applied");
    }
}

async fn timed(visitor: &Browser, request: Request) -> (Response, Duration) {
    #[allow(clippy::disallowed_methods, reason = "a person would look at a watch")]
    let since = Instant::now();
    (visitor.send(request).await, since.elapsed())
}

fn impatient(settings: Settings) -> Settings {
    settings.store_timeout(BUDGET / 2).store_budget(BUDGET).lock_timeout(BUDGET)
}

/// For all calls of a request together.
const BUDGET: Duration = Duration::from_millis(600);
/// A machine has other things to do.
const SLACK: Duration = Duration::from_secs(1);
