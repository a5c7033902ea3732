//! Several futures at the same time, in one task.

use std::future::poll_fn;
use std::task::Poll;

use cloakroom_store::BoxFuture;

/// Drives all of these to their ends, and returns their outputs in the same order. For a few: each is polled again whenever
/// one of them makes progress.
pub(crate) async fn join<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut slots: Vec<_> = futures.into_iter().map(Slot::Running).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for slot in &mut slots {
            if let Slot::Running(future) = slot {
                match future.as_mut().poll(cx) {
                    Poll::Ready(output) => *slot = Slot::Ended(output),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    slots.into_iter().filter_map(Slot::output).collect()
}

enum Slot<'a, T> {
    Running(BoxFuture<'a, T>),
    Ended(T),
}

impl<T> Slot<'_, T> {
    fn output(self) -> Option<T> {
        match self {
            Self::Running(_) => None,
            Self::Ended(output) => Some(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;
    use crate::clock::Stopwatch;

    #[tokio::test(start_paused = true)]
    async fn they_wait_at_the_same_time_and_keep_their_order() {
        let wait = |millis: u64| -> BoxFuture<'_, u64> {
            Box::pin(async move {
                sleep(Duration::from_millis(millis)).await;
                millis
            })
        };
        let watch = Stopwatch::start();
        assert_eq!(join([30, 0, 20].map(wait).into()).await, [30, 0, 20]);
        assert_eq!(watch.elapsed().as_millis(), 30);
        assert_eq!(join::<()>(Vec::new()).await, []);
    }
}
