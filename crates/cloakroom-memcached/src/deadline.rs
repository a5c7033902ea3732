use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// The time that one call has, for all its steps together.
#[derive(Debug)]
pub(crate) struct Deadline(Pin<Box<Sleep>>);

impl Deadline {
    /// The call ends this long from now.
    pub(crate) fn after(time: Duration) -> Self {
        Self(Box::pin(sleep(time)))
    }

    /// What the step answers, or `None` if the time is over before.
    pub(crate) async fn bound<T>(&mut self, step: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = step => Some(answer),
            () = &mut self.0 => None,
        }
    }
}
