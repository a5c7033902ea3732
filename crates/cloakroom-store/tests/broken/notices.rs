use cloakroom_store::{Error, Key, Notice, Notices, Result, Revision};

use super::{Broken, Fault, IfDropped, changed};

impl Notices for Broken {
    async fn publish(&self, key: &Key) -> Result<()> {
        match self.fault {
            Fault::PublishDoesNothing => return Ok(()),
            Fault::PublishNamesAnother => {
                let mut other = *key.as_bytes();
                other[31] ^= 1;
                return self.inner.publish(&Key::new(other)).await;
            }
            Fault::PublishMarksTheRecord => {
                if let Some(record) = self.record(key).await? {
                    let revision = Revision::new(record.revision.get() + 1);
                    self.force(key, &changed(&record, |record| record.revision = revision));
                }
            }
            Fault::PublishFailsUnheard if self.memory().listeners == 0 => {
                return Err(Error::unavailable("nobody listens"));
            }
            _ => {}
        }
        self.inner.publish(key).await
    }

    async fn listen(&self, receive: &(dyn Fn(Notice) + Send + Sync)) -> Result<()> {
        self.memory().listeners += 1;
        let _gone = IfDropped::new(|| self.memory().listeners -= 1);
        let passed_on = |notice| {
            let swallowed = match (self.fault, notice) {
                (Fault::ListeningIsNotTold, Notice::Listening) => true,
                (Fault::OneListenerTakesAMessage, Notice::Changed(key)) => !self.memory().taken.insert(key),
                _ => false,
            };
            if !swallowed {
                receive(notice);
            }
        };
        self.inner.listen(&passed_on).await
    }
}
