//! The same events as counters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_tests::{Browser, Request};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};

use super::Watched;
use crate::routes::{encoded, look_with, put, sign_in};

/// Counters by their full name.
#[derive(Default)]
struct Counts(Arc<Mutex<BTreeMap<String, u64>>>);

struct One(String, Arc<Mutex<BTreeMap<String, u64>>>);

impl CounterFn for One {
    fn increment(&self, value: u64) {
        *self.1.lock().unwrap().entry(self.0.clone()).or_default() += value;
    }

    fn absolute(&self, _: u64) {
        unreachable!("only ever incremented");
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Counter::from_arc(Arc::new(One(name, Arc::clone(&self.0))))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// SECURITY 50.
#[tokio::test]
async fn every_event_counts_once() {
    let counts = Counts::default();
    let _guard = set_default_local_recorder(&counts);
    let watched = Watched::new().await;
    let browser = &watched.browser;
    put(browser, "red").await;
    browser.post("/rotate").await;
    look_with(browser, format!("__Host-id={}", encoded(&[7; 32]))).await;
    browser.post("/sign-out").await;
    put(browser, "red").await;
    watched.site.clock.advance(Duration::from_secs(3600));
    browser.get("/look").await;
    for _ in 0..3 {
        sign_in(&Browser::new(&watched.site), "ann").await;
    }
    watched.site.sessions.end_all("ann", None).await.unwrap();
    browser.send(Request::get("/untouched")).await;

    let expected = [
        ("created", 5),
        ("destroyed", 1 + 3),
        ("expired", 1),
        ("resumed", 2),
        ("rotated", 1),
        ("unknown", 1),
    ]
    .map(|(event, count)| (format!("cloakroom_sessions_total event={event}"), count));
    assert_eq!(*counts.0.lock().unwrap(), BTreeMap::from(expected));
}
