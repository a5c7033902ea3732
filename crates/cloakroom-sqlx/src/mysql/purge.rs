use std::time::Duration;

use cloakroom_store::{Error, Key, Result, Timestamp};
use sqlx::{MySql, query};
use tokio::time::sleep;

use super::MySqlStore;
use super::statements::KEYS;
use crate::connections::Statement;
use crate::record::{bytes, column, key, millis};

impl MySqlStore {
    /// Removes what expired in short steps: a look at the index, which locks nothing, and a delete by primary key, which
    /// looks at the expiry again. So no row that is alive is locked, nor the place beside one; and of several who
    /// purge at once each counts what it removed itself. What is left to share are the disk and the log, and so there is a
    /// pause after each step.
    pub(super) async fn remove_expired(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let mut removed = 0;
        let mut last = Place { expires_at: -1, key: Key::new([0; Key::LEN]) };
        while removed < limit {
            let most = KEYS.min(limit - removed);
            // From where the step before ended: what others are deleting is not looked at twice.
            let found = self.expired(cutoff, last, most).await.map_err(after(removed))?;
            let keys: Vec<_> = found.iter().map(|place| place.key).collect();
            let delete = || query(self.statements.delete_expired.clone()).bind(millis(cutoff));
            removed += self.remove(&keys, delete).await.map_err(after(removed))?;
            match found.last() {
                Some(place) if found.len() == most => last = *place,
                _ => break,
            }
            sleep(PAUSE).await;
        }
        Ok(removed)
    }

    /// Removes the rows under these keys that a statement still finds, so many of them at a time. The statement has all its
    /// parameters but the keys.
    pub(super) async fn remove(&self, keys: &[Key], delete: impl Fn() -> Statement<MySql>) -> Result<usize> {
        let mut removed = 0;
        for keys in keys.chunks(KEYS) {
            // A key that comes twice is one key: so any number of them is the same statement, prepared once.
            let padded = keys.iter().chain(std::iter::repeat(&keys[0])).take(KEYS);
            let delete = padded.fold(delete(), |delete, key| delete.bind(bytes(key)));
            removed += self.change(delete).await.map_err(after(removed))? as usize;
        }
        Ok(removed)
    }

    async fn expired(&self, cutoff: Timestamp, last: Place, most: usize) -> Result<Vec<Place>> {
        let expired = || {
            query(self.statements.expired.clone())
                .bind(millis(cutoff))
                .bind(last.expires_at)
                .bind(last.expires_at)
                .bind(bytes(&last.key))
                .bind(most as i64)
        };
        let rows = self.connections.read(expired).await?;
        let places = rows.iter().map(|row| {
            let key = key(column(row, 0)?).ok_or_else(|| Error::corrupt("the answer has no key"))?;
            Ok(Place { key, expires_at: column(row, 1)? })
        });
        places.collect()
    }
}

/// A row's place in the index over the expiry.
#[derive(Clone, Copy)]
struct Place {
    expires_at: i64,
    key: Key,
}

/// The error of a step after others that removed so many.
fn after(removed: usize) -> impl Fn(Error) -> Error {
    move |error| if removed > 0 { Error::maybe_applied(error) } else { error }
}

/// At most 5,000 rows a second, then. Without it a purge of a table that is larger than the buffer pool more than doubled the
/// slowest hundredth of the writes beside it; with it there was no difference.
const PAUSE: Duration = Duration::from_millis(10);
