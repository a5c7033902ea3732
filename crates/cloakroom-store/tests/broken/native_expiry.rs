use std::time::{Duration, SystemTime};

use cloakroom_store::{Record, Result, Store, Timestamp};

use super::{Broken, Fault};

impl Broken {
    /// Whether this store has a clock of its own, and removes what has expired by it.
    pub fn expires_natively(&self) -> bool {
        self.fault.says_native_expiry() || self.has(Fault::ExpiresNativelyUnsaid)
    }

    /// Removes what has expired, as a backend with a clock of its own would have done by now.
    pub async fn expire(&self) -> Result<()> {
        let margin = match self.fault {
            Fault::ExpiresNativelyNever => return Ok(()),
            Fault::ExpiresNativelyAtOnce => Duration::ZERO,
            _ if self.expires_natively() => Record::NATIVE_EXPIRY_MARGIN,
            _ => return Ok(()),
        };
        for (key, record) in self.all().await {
            let known = self.memory().expiry.get(&key).copied();
            let expires_at = match self.fault {
                Fault::NativeExpiryForgetsTouches | Fault::NativeExpiryForgetsReplaces => known,
                _ => None,
            };
            if expires_at.unwrap_or(record.expires_at).saturating_add(margin) <= now() {
                Store::delete(&self.inner, &key).await?;
            }
        }
        Ok(())
    }
}

#[allow(clippy::disallowed_methods, reason = "a backend with a clock of its own")]
fn now() -> Timestamp {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap())
}
