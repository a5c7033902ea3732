use std::sync::atomic::AtomicUsize;

use super::*;

fn nodes(ports: std::ops::Range<u16>) -> Vec<Node> {
    ports.map(|port| Node { host: "host".to_owned(), port }).collect()
}

#[test]
fn some_that_the_url_names_are_asked_each_time_and_the_others_by_turns() {
    for (named, known) in [(1, 40), (2, 16), (5, 30), (3, 8), (3, 0)] {
        let (named, known) = (nodes(0..named), nodes(100..100 + known));
        let mut seen = HashSet::new();
        for turn in 0..40 {
            let asked = whom_to_ask(&named, &known, turn);
            assert_eq!(asked.len(), AT_MOST.min(named.len().min(AT_MOST_NAMED) + known.len()));
            assert_eq!(asked.iter().collect::<HashSet<_>>().len(), asked.len(), "nobody twice");
            let of_url = asked.iter().filter(|node| named.contains(node)).count();
            assert_eq!(of_url, AT_MOST_NAMED.min(named.len()));
            seen.extend(asked);
        }
        assert_eq!(seen.len(), named.len() + known.len(), "everybody has a turn");
    }
    assert_eq!(whom_to_ask(&nodes(0..3), &nodes(0..3), 7).len(), 3);
}

/// A refresher whose refreshes are counted, and find nothing new.
#[derive(Clone, Default)]
struct Counted(Arc<(TopologyRefresher, AtomicUsize)>);

impl Counted {
    fn request(&self) {
        let this = self.clone();
        self.0.0.request(|| {
            tokio::spawn(async move {
                let mut pause = SHORTEST_PAUSE;
                while this.0.0.take_request() {
                    this.0.1.fetch_add(1, Ordering::SeqCst);
                    // A request during this long refresh is not served by it.
                    sleep(Duration::from_millis(10)).await;
                    pause = this.0.0.pause(pause, false).await;
                }
            })
        });
    }

    fn count(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_during_a_refresh_or_the_pause_after_it_leads_to_another_one() {
    for moment in [5, 100] {
        let refresher = Counted::default();
        refresher.request();
        sleep(Duration::from_millis(moment)).await;
        refresher.request();
        refresher.request();
        assert_eq!(refresher.count(), 1, "there is a pause");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(refresher.count(), 2);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(refresher.count(), 2, "there is no request any more");
        refresher.request();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(refresher.count(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn refreshes_that_find_nothing_new_become_rare_until_something_moves() {
    let refresher = Counted::default();
    for _ in 0..1_000 {
        refresher.request();
        sleep(Duration::from_millis(10)).await;
    }
    let rare = refresher.count();
    assert!((6..=9).contains(&rare), "{rare} in ten seconds");
    refresher.0.0.moved();
    for _ in 0..40 {
        refresher.request();
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(refresher.count(), rare + 1);
}

#[test]
fn a_refresh_that_ended_with_its_runtime_does_not_prevent_the_next() {
    let refresher = Counted::default();
    for count in [1, 2] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            refresher.request();
            tokio::task::yield_now().await;
        });
        assert_eq!(refresher.count(), count);
    }
}
