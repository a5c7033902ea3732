use cloakroom_store::{BoxFuture, Error, Result};

/// Removes up to `limit` rows in short statements, so that none holds many locks for long. `step` removes at most as
/// many as it is told, and answers how many.
pub(crate) async fn in_steps<'a>(
    limit: usize,
    step: impl Fn(i64) -> BoxFuture<'a, Result<usize>> + Send,
) -> Result<usize> {
    let mut removed = 0;
    while removed < limit {
        let most = STEP.min(limit - removed);
        let found = match step(most as i64).await {
            Ok(found) => found,
            // The steps before had their effect.
            Err(error) if removed > 0 => return Err(Error::maybe_applied(error)),
            Err(error) => return Err(error),
        };
        removed += found;
        if found < most {
            break;
        }
    }
    Ok(removed)
}

const STEP: usize = 1_000;
