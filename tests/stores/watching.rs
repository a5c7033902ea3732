//! Streams that wait for the end of their session, which comes in another process.

use std::time::Duration;

use cloakroom::Settings;
use cloakroom_tests::{Backend, Browser, Request, on_backends};
use tokio::task::JoinHandle;

use crate::house::{House, PATIENCE};

on_backends! { a_stream_hears_at_once_of_an_end_in_another_process: redis redis_cluster postgres }
on_backends! { a_stream_learns_of_an_end_in_another_process_within_the_poll: mariadb memcached memcached_pair }
on_backends! { a_lost_connection_loses_no_end: redis postgres }

async fn a_stream_hears_at_once_of_an_end_in_another_process(backend: Backend) {
    let house = House::new(backend, settings(HOUR)).await;
    let there = house.another(settings(HOUR)).await;
    for (path, reason) in [("/out", "ended "), ("/in=ann", "superseded ")] {
        let browser = Browser::new(&house.site);
        browser.post("/in=ann").await;
        let stream = watch(&browser).await;
        // So that messages are received, which take over from the first look.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!stream.is_finished());
        let other = Browser::new(&there);
        *other.jar() = browser.jar().clone();
        assert_eq!(other.post(path).await.status, 200);
        let said = tokio::time::timeout(SOON, stream).await.expect("a message tells it").unwrap();
        assert_eq!(said, reason);
    }
}

async fn a_stream_learns_of_an_end_in_another_process_within_the_poll(backend: Backend) {
    let house = House::new(backend, settings(Duration::from_millis(200))).await;
    let there = house.another(settings(HOUR)).await;
    let browser = Browser::new(&house.site);
    browser.post("/in=ann").await;
    let stream = watch(&browser).await;
    let other = Browser::new(&there);
    *other.jar() = browser.jar().clone();
    assert_eq!(other.post("/out").await.status, 200);
    let said = tokio::time::timeout(5 * SOON, stream).await.expect("the poll finds it").unwrap();
    assert_eq!(said, "ended ");
}

async fn a_lost_connection_loses_no_end(backend: Backend) {
    let house = House::new(backend, settings(HOUR)).await;
    let there = house.another(settings(HOUR)).await;
    let browser = Browser::new(&house.site);
    browser.post("/in=ann").await;
    let stream = watch(&browser).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    house.proxy.refuse();
    let other = Browser::new(&there);
    *other.jar() = browser.jar().clone();
    assert_eq!(other.post("/out").await.status, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!stream.is_finished(), "nothing tells it");
    house.proxy.heal().await;
    let said = tokio::time::timeout(PATIENCE, stream).await.expect("it looks when it listens again").unwrap();
    assert_eq!(said, "ended ");
}

async fn watch(browser: &Browser) -> JoinHandle<String> {
    let stream = browser.begin(Request::get("/subject/stream/yield/ended")).await;
    tokio::spawn(async move { stream.finish().await.body })
}

fn settings(poll: Duration) -> Settings {
    Settings::new().watch_interval(poll)
}

const HOUR: Duration = Duration::from_secs(3600);
/// A message takes milliseconds; the machine has other things to do.
const SOON: Duration = Duration::from_secs(1);
