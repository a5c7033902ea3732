//! The same question to several servers.

use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The answers that come until shortly after the first one: those that are gone delay nobody for long, and the quickest, which may not have
/// noticed yet what happened, is not the only one that is heard.
///
/// # Errors
/// The last failure, if nobody answers.
pub(crate) async fn gather<T: 'static>(mut asked: JoinSet<RedisResult<T>>) -> RedisResult<Vec<T>> {
    let mut failure = RedisError::from((ErrorKind::Io, "there is nobody to ask"));
    let mut answers = Vec::new();
    while answers.is_empty() {
        match asked.join_next().await {
            Some(Ok(Ok(answer))) => answers.push(answer),
            Some(Ok(Err(error))) => failure = error,
            Some(Err(_)) => {}
            None => return Err(failure),
        }
    }
    let rest = async {
        while let Some(answer) = asked.join_next().await {
            answers.extend(answer.into_iter().flatten());
        }
    };
    _ = timeout(STRAGGLERS, rest).await;
    Ok(answers)
}

/// How long the others have after the first answer.
const STRAGGLERS: Duration = Duration::from_millis(100);
