use std::time::{Duration, SystemTime};

use cloakroom_store::{Key, Record, Result, Store, Timestamp};

use super::{Broken, Fault};

impl Broken {
    /// Whether this store has a clock of its own, and removes what has expired by it.
    pub fn expires_natively(&self) -> bool {
        self.fault.says_native_expiry() || self.has(Fault::ExpiresNativelyUnsaid)
    }

    /// Gives a record its life, as a length that counts from now on the backend's clock; `absolute` faults give it an end by the
    /// caller's.
    pub fn give_life(&self, key: &Key, expires_at: Timestamp, now: Timestamp, absolute: &[Fault]) {
        if !self.expires_natively() {
            return;
        }
        let end = if absolute.contains(&self.fault) {
            expires_at.saturating_add(self.margin())
        } else {
            let base = real_now().saturating_add(self.margin());
            match expires_at.as_millis().checked_sub(now.as_millis()) {
                Some(length) => base.saturating_add(Duration::from_millis(length)),
                None => Timestamp::from_millis(
                    (base.as_millis() + expires_at.as_millis()).saturating_sub(now.as_millis()),
                ),
            }
        };
        self.memory().ends.insert(*key, end);
    }

    fn margin(&self) -> Duration {
        if self.has(Fault::ExpiresNativelyAtOnce) { Duration::ZERO } else { Record::NATIVE_EXPIRY_MARGIN }
    }

    /// Removes what has expired, as a backend with a clock of its own would have done by now.
    pub async fn expire(&self) -> Result<()> {
        if !self.expires_natively() || self.has(Fault::ExpiresNativelyNever) {
            return Ok(());
        }
        let now = real_now();
        let over: Vec<_> =
            self.memory().ends.iter().filter(|(_, end)| **end <= now).map(|(key, _)| *key).collect();
        for key in over {
            Store::delete(&self.inner, &key).await?;
            self.memory().ends.remove(&key);
        }
        Ok(())
    }
}

#[allow(clippy::disallowed_methods, reason = "a backend with a clock of its own")]
fn real_now() -> Timestamp {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap())
}
