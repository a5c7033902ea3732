//! What requests cost, counted on the wire.

use cloakroom_tests::{Backend, Browser, Cut, Request, behind_a_proxy};

use crate::house::{House, PATIENCE, TOUCH_IS_DUE, eventually, locked, unlocked};

behind_a_proxy!(
    a_request_that_does_not_touch_its_session_costs_nothing,
    a_read_costs_one_round_trip,
    a_touch_that_is_due_costs_its_own,
    the_answer_of_a_touch_is_not_waited_for,
    a_write_costs_what_it_must,
    a_locked_write_costs_what_it_must,
    an_old_secret_in_its_grace_costs_one_round_trip_more,
    a_dead_token_costs_one_round_trip_and_nothing_afterwards,
    a_new_session_costs_one_round_trip,
    a_session_is_destroyed_for_the_price_of_a_write,
);

async fn a_request_that_does_not_touch_its_session_costs_nothing(backend: Backend) {
    let house = House::for_counting(backend, locked()).await;
    let visitor = house.visitor().await;
    costs(&house, &visitor, Request::get, "/", 0).await;
    costs(&house, &visitor, Request::post, "/", 0).await;
    costs(&house, &visitor, Request::get, "/status=500", 0).await;
}

async fn a_read_costs_one_round_trip(backend: Backend) {
    for settings in [locked(), unlocked()] {
        let house = House::for_counting(backend, settings).await;
        let visitor = house.visitor().await;
        for path in ["/get=n", "/get=n/len/get=other/subject"] {
            costs(&house, &visitor, Request::get, path, 1).await;
        }
    }
}

async fn a_touch_that_is_due_costs_its_own(backend: Backend) {
    let house = House::for_counting(backend, locked()).await;
    let visitor = house.visitor().await;
    // The first one prepares what the store does.
    for nth in 0..4 {
        house.site.clock.advance(TOUCH_IS_DUE);
        let before = house.proxy.round_trips();
        assert_eq!(visitor.get("/get=n").await.body, "5");
        house.settled().await;
        let cost = house.proxy.round_trips() - before;
        assert!(nth == 0 || cost == 1 + backend.costs.touch, "touch {nth} costs {cost} with the read");
        costs(&house, &visitor, Request::get, "/get=n", 1).await;
    }
}

async fn the_answer_of_a_touch_is_not_waited_for(backend: Backend) {
    let house = House::for_counting(backend, locked()).await;
    let visitor = house.visitor().await;
    // The first one prepares what the store does.
    visitor.get("/get=n").await;
    house.site.clock.advance(TOUCH_IS_DUE);
    house.proxy.cut(2, Cut::Silence);
    let response = tokio::time::timeout(PATIENCE, visitor.get("/get=n")).await;
    assert_eq!(response.expect("a response").body, "5");
    eventually(|| house.proxy.has_cut()).await;
}

async fn a_write_costs_what_it_must(backend: Backend) {
    let house = House::for_counting(backend, unlocked()).await;
    let visitor = house.visitor().await;
    for path in ["/set=n:{}", "/inc=n", "/add=n", "/set=x:{}/set=y:{}/remove=n"] {
        costs(&house, &visitor, Request::post, path, backend.costs.write).await;
    }
}

async fn a_locked_write_costs_what_it_must(backend: Backend) {
    let house = House::for_counting(backend, locked()).await;
    let visitor = house.visitor().await;
    for path in ["/set=n:{}", "/inc=n", "/set=x:{}/set=y:{}/remove=n"] {
        costs(&house, &visitor, Request::post, path, backend.costs.locked_write).await;
    }
}

/// The lease is asked for with the old secret, and once more with the one that the record has.
async fn an_old_secret_in_its_grace_costs_one_round_trip_more(backend: Backend) {
    let house = House::for_counting(backend, locked()).await;
    let visitor = house.visitor().await;
    assert_eq!(visitor.send_and_ignore_cookies(Request::post("/rotate")).await.status, 200);
    costs(&house, &visitor, Request::post, "/set=n:{}", backend.costs.locked_write + 1).await;
}

/// SECURITY 41. It takes no lease that would have to be given back.
async fn a_dead_token_costs_one_round_trip_and_nothing_afterwards(backend: Backend) {
    let house = House::for_counting(backend, locked()).await;
    let visitor = house.visitor().await;
    assert_eq!(visitor.send_and_ignore_cookies(Request::post("/in=ann")).await.status, 200);
    for path in ["/get=n", "/get=n/set=n:{}"] {
        costs(&house, &visitor, Request::post, path, 1).await;
        let before = house.proxy.round_trips();
        house.settled().await;
        assert_eq!(house.proxy.round_trips(), before);
    }
}

async fn a_new_session_costs_one_round_trip(backend: Backend) {
    for settings in [locked(), unlocked()] {
        let house = House::for_counting(backend, settings).await;
        sessions_come_and_go(&house).await;
        for _ in 0..3 {
            costs_once(&house, &Browser::new(&house.site), Request::post("/set=n:1"), 1).await;
        }
    }
}

async fn a_session_is_destroyed_for_the_price_of_a_write(backend: Backend) {
    for (settings, cost) in [(unlocked(), backend.costs.write), (locked(), backend.costs.locked_write)] {
        let house = House::for_counting(backend, settings).await;
        sessions_come_and_go(&house).await;
        for _ in 0..3 {
            let visitor = house.visitor().await;
            let before = house.proxy.round_trips();
            assert_eq!(visitor.post("/out").await.status, 200);
            // A store with messages tells other processes, off the request's path: perhaps already.
            let most = cost + usize::from(backend.name.starts_with("redis") || backend.name == "postgres");
            assert!((cost..=most).contains(&(house.proxy.round_trips() - before)));
            house.settled().await;
        }
    }
}

/// So many that there is one on each server behind a store, which has then been prepared for what the store does.
async fn sessions_come_and_go(house: &House) {
    for _ in 0..50 {
        assert_eq!(house.visitor().await.post("/out").await.status, 200);
    }
    house.settled().await;
}

/// A request without a body.
type Method = fn(String) -> Request;

/// Sends it, once to let the store prepare what it does, and three times more. `{}` is another number each time.
async fn costs(house: &House, visitor: &Browser, method: Method, path: &str, expected: usize) {
    let numbered = |number: u32| method(path.replace("{}", &number.to_string()));
    visitor.send(numbered(100)).await;
    for number in 0..3 {
        costs_once(house, visitor, numbered(number), expected).await;
    }
}

async fn costs_once(house: &House, visitor: &Browser, request: Request, expected: usize) {
    let before = house.proxy.round_trips();
    let response = visitor.send(request.clone()).await;
    let cost = house.proxy.round_trips() - before;
    assert_eq!(cost, expected, "{request:?} was answered {response:?}");
}
