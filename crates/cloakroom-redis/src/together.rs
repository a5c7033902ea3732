//! Many calls at once: in a cluster they go to different nodes, and on one connection they share the way.

use cloakroom_store::{Error, Key, Result};
use tokio::task::JoinSet;

/// Makes a call for each key, some of them at the same time, and all of them even if some fail. The answers are in no particular order.
pub(crate) async fn together<T, F>(keys: Vec<Key>, call: impl Fn(Key) -> F) -> Vec<Result<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut keys = keys.into_iter();
    let mut calls = JoinSet::new();
    let mut answers = Vec::with_capacity(keys.len());
    loop {
        while calls.len() < AT_ONCE
            && let Some(key) = keys.next()
        {
            calls.spawn(call(key));
        }
        match calls.join_next().await {
            Some(answer) => answers.push(answer.unwrap_or_else(|stopped| Err(Error::unavailable(stopped)))),
            None => return answers,
        }
    }
}

const AT_ONCE: usize = 64;
