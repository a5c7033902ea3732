use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A lookout whose looks are counted, and see nothing new.
#[derive(Clone, Default)]
struct Counted(Arc<(Lookout, AtomicUsize)>);

impl Counted {
    fn want(&self) {
        let this = self.clone();
        self.0.0.want(|| {
            tokio::spawn(async move {
                let mut pause = SHORTEST_PAUSE;
                while this.0.0.is_wanted() {
                    this.0.1.fetch_add(1, Ordering::SeqCst);
                    // Nobody may take this long look for an answer to what was wanted since it began.
                    sleep(Duration::from_millis(10)).await;
                    pause = this.0.0.pause(pause, false).await;
                }
            })
        });
    }

    fn looks(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_during_a_look_or_the_pause_after_it_is_looked_for_then() {
    for moment in [5, 100] {
        let lookout = Counted::default();
        lookout.want();
        sleep(Duration::from_millis(moment)).await;
        lookout.want();
        lookout.want();
        assert_eq!(lookout.looks(), 1, "there is a pause");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(lookout.looks(), 2);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(lookout.looks(), 2, "nobody wants it any more");
        lookout.want();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(lookout.looks(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn looks_that_see_nothing_new_become_rare_until_something_moves() {
    let lookout = Counted::default();
    for _ in 0..1_000 {
        lookout.want();
        sleep(Duration::from_millis(10)).await;
    }
    let rare = lookout.looks();
    assert!((6..=9).contains(&rare), "{rare} in ten seconds");
    lookout.0.0.moved();
    for _ in 0..40 {
        lookout.want();
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(lookout.looks(), rare + 1);
}

#[test]
fn a_look_that_ended_with_its_runtime_keeps_nobody_from_looking() {
    let lookout = Counted::default();
    for looks in [1, 2] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            lookout.want();
            tokio::task::yield_now().await;
        });
        assert_eq!(lookout.looks(), looks);
    }
}
