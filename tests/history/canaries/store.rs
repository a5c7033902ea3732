use cloakroom_store::{
    Cursor, ErrorKind, Facets, Key, Page, Record, Result, Revision, Scan, Store, Subject, SubjectEntry,
    Subjects, Timestamp,
};

use super::broken::{Broken, Fault};

impl Store for Broken {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        let place = self.place(key);
        if self.fault == Fault::CreateOverwrites {
            self.force(&place, record);
            return Ok(());
        }
        self.sound.create(&place, record, now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        let old = match self.fault {
            Fault::StaleCache if self.every(3) => self.memory().loaded.get(key).cloned(),
            Fault::ReplyOfAnotherKey if self.every(5) => self.memory().last.clone().map(|(_, record)| record),
            _ => None,
        };
        if old.is_some() {
            return Ok(old);
        }
        let found = self.sound.load(&self.place(key)).await?;
        if let Some(record) = &found {
            let mut memory = self.memory();
            memory.last = Some((*key, record.clone()));
            memory.loaded.insert(*key, record.clone());
        }
        Ok(found)
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        let place = self.place(key);
        match self.fault {
            Fault::BlindUpsert => {
                self.force(key, record);
                return Ok(());
            }
            Fault::AcknowledgedNotWritten if self.every(7) => return Ok(()),
            _ => {}
        }
        let replaced = self.sound.replace(&place, record, expected, now).await;
        match (self.fault, &replaced) {
            (Fault::UpsertOnMissing, Err(error)) if error.kind() == ErrorKind::Missing => {
                self.force(key, record);
                return Ok(());
            }
            (Fault::SentTwice, Ok(())) => {
                let (again, key, record) = (self.clone(), *key, record.clone());
                tokio::spawn(async move {
                    again.lot.hesitate().await;
                    again.force(&key, &record);
                });
            }
            _ => {}
        }
        replaced
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        match self.fault {
            Fault::TouchRevives => {
                let remembered = self.memory().loaded.get(key).cloned();
                if let Some(mut record) = remembered {
                    // What was ended is kept for a short while only.
                    let now = self.sound.load(key).await?;
                    if now.is_none_or(|now| now.expires_at < record.expires_at) {
                        record.expires_at = expires_at;
                        self.force(key, &record);
                    }
                }
                Ok(true)
            }
            Fault::TouchWritesBack => {
                let Some(mut record) = self.sound.load(key).await? else { return Ok(false) };
                self.lot.hesitate().await;
                record.expires_at = expires_at;
                self.force(key, &record);
                Ok(true)
            }
            _ => self.sound.touch(&self.place(key), now, expires_at).await,
        }
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.sound.delete(&self.place(key)).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let cutoff = match self.fault {
            Fault::SweepsTheLiving => Timestamp::from_millis(u64::MAX),
            Fault::SweepsByAStaleRead => cutoff,
            _ => return self.sound.purge(cutoff, limit).await,
        };
        let found = Scan::page(&self.sound, None, usize::MAX).await?.items;
        self.lot.hesitate().await;
        let mut count = 0;
        for (key, _) in found.iter().filter(|(_, record)| record.expires_at < cutoff).take(limit) {
            count += usize::from(self.sound.delete(key).await?);
        }
        Ok(count)
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none().leases(self).subjects(self)
    }
}

impl Subjects for Broken {
    async fn enroll(&self, subject: &Subject, key: &Key, now: Timestamp, until: Timestamp) -> Result<usize> {
        Subjects::enroll(&self.sound, subject, key, now, until).await
    }

    async fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        match self.fault {
            Fault::EndAllForgets => Ok(Page::default()),
            _ => Subjects::list(&self.sound, subject, cursor, limit).await,
        }
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        match self.fault {
            Fault::EndAllForgets => Ok(0),
            _ => Subjects::end_all(&self.sound, subject, except).await,
        }
    }
}
