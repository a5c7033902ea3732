use cloakroom_store::{
    Cursor, Error, Key, Page, Record, Result, Store, Subject, SubjectEntry, Subjects, Timestamp,
};

use super::{Broken, Fault, NOW, yield_now};

impl Broken {
    fn enrolled(&self, subject: &Subject) -> Vec<Key> {
        let memory = self.memory();
        memory.enrolled.iter().filter(|(enrolled, _)| enrolled == subject).map(|(_, key)| *key).collect()
    }

    async fn records_of(&self, subject: &Subject) -> Vec<(Key, Record)> {
        let mut records = self.all().await;
        records.retain(|(_, record)| record.subject.as_ref() == Some(subject));
        records
    }

    /// The page of these entries after the cursor, which is the last key of the page before.
    fn list_page(
        &self,
        entries: Vec<SubjectEntry>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        let limit = if self.has(Fault::ListIgnoresTheLimit) { usize::MAX } else { limit };
        if self.has(Fault::ListCursorsAreOfOneHandle)
            && cursor.is_some_and(|cursor| !self.cursors.lock().unwrap().contains(cursor.as_bytes()))
        {
            return Err(Error::corrupt("an unknown cursor"));
        }
        let seen = cursor.map(Cursor::as_bytes);
        let counts_off = self.has(Fault::ListCountsOff);
        let mut rest: Vec<_> = if counts_off {
            let start = seen.map_or(0, |seen| u64::from_le_bytes(seen.try_into().unwrap()));
            entries.into_iter().skip(start as usize).collect()
        } else {
            entries
                .into_iter()
                .filter(|entry| seen.is_none_or(|seen| &entry.key.as_bytes()[..] > seen))
                .collect()
        };
        let more = rest.len() > limit;
        rest.truncate(limit);
        if self.has(Fault::SmallListsSkipOne) && limit < 5 && rest.len() > 1 {
            rest.remove(0);
        }
        let next = rest.last().filter(|_| more).map(|last| {
            let start =
                seen.filter(|_| counts_off).map_or(0, |seen| u64::from_le_bytes(seen.try_into().unwrap()));
            match counts_off {
                true => Cursor::new((start + limit as u64).to_le_bytes()),
                false => Cursor::new(*last.key.as_bytes()),
            }
        });
        self.cursors.lock().unwrap().extend(next.iter().map(|cursor| cursor.as_bytes().to_vec()));
        Ok(Page::new(rest, next))
    }
}

impl Subjects for Broken {
    async fn enroll(&self, subject: &Subject, key: &Key, now: Timestamp, until: Timestamp) -> Result<usize> {
        self.memory().enrolled.push((subject.clone(), *key));
        if self.has(Fault::EnrollMarksTheRecord)
            && let Some(record) = self.record(key).await?
        {
            let revision = record.revision;
            let marked = record.with_subject(subject.clone());
            Store::replace(&self.inner, key, &marked, revision, NOW).await?;
        }
        let entries = Subjects::enroll(&self.inner, subject, key, now, until).await?;
        let others = self.records_of(subject).await.into_iter().filter(|(other, _)| other != key);
        Ok(match self.fault {
            Fault::EnrollSaysOne => 1,
            Fault::EnrollCountsAgain => self.enrolled(subject).len(),
            Fault::EnrollCountsEverybodys => self.all().await.len() + 1,
            Fault::EnrollCountsTheLive => 1 + others.filter(|(_, record)| record.expires_at > now).count(),
            Fault::EnrollCountsTheCreated => {
                let memory = self.memory();
                let named =
                    |key: &Key| memory.created.get(key).is_some_and(|created| created.subject.is_some());
                1 + others.filter(|(key, _)| named(key)).count()
            }
            _ => entries,
        })
    }

    async fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        let mut list = self.records_of(subject).await;
        match self.fault {
            Fault::ListsOneOnly => list.truncate(1),
            Fault::ListsTheCreatedRecord => {
                for (key, record) in &mut list {
                    if let Some(created) = self.memory().created.get(key)
                        && created.subject.is_some()
                    {
                        *record = created.clone();
                    }
                }
            }
            Fault::IndexIsMadeAtCreate => {
                list.retain(|(key, _)| {
                    self.memory().created.get(key).is_some_and(|created| created.subject.is_some())
                });
            }
            Fault::ListTrustsTheIndex => {
                list.clear();
                let mut keys = self.enrolled(subject);
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    if let Ok(Some(record)) = self.record(&key).await {
                        list.push((key, record));
                    }
                }
            }
            Fault::ListFailsWithoutARecord => {
                for key in self.enrolled(subject) {
                    if self.inner.bytes(&key).is_none() {
                        return Err(Error::missing());
                    }
                }
            }
            Fault::ListsAsOftenAsEnrolled => {
                let enrolled = self.enrolled(subject);
                list = list
                    .into_iter()
                    .flat_map(|entry| {
                        let times = enrolled.iter().filter(|key| **key == entry.0).count();
                        vec![entry; times.max(1)]
                    })
                    .collect();
            }
            Fault::ListsTheRemoved => {
                let removed = self.memory().removed.clone();
                list.extend(
                    removed.into_iter().filter(|(_, record)| record.subject.as_ref() == Some(subject)),
                );
            }
            Fault::ListHidesExpired => list.retain(|(_, record)| record.expires_at > NOW),
            Fault::ListsAHundred => list.truncate(100),
            Fault::ListIgnoresCase => {
                list = self.all().await;
                list.retain(|(_, record)| {
                    record
                        .subject
                        .as_ref()
                        .is_some_and(|other| other.as_str().to_lowercase() == subject.as_str().to_lowercase())
                });
            }
            Fault::ListsForeign => {
                let planted = self.memory().planted.clone();
                list.extend(planted.into_iter().filter_map(|key| Some((key, self.any_record(&key)?))));
            }
            Fault::RestartLosesTheIndex if self.memory().restarted => list.clear(),
            Fault::ListShowsAllToAll => list = self.all().await,
            _ => {}
        }
        let entries: Vec<_> =
            list.into_iter().map(|(key, record)| SubjectEntry::new(key, record.expires_at)).collect();
        self.list_page(entries, cursor, limit)
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let mut list = self.records_of(subject).await;
        let mut ended = 0;
        match self.fault {
            Fault::EndAllEndsEverybodys => {
                list = self.all().await;
            }
            Fault::EndAllIgnoresTheException => {
                return Subjects::end_all(&self.inner, subject, None).await;
            }
            Fault::EndAllCountsTheException => {
                return Ok(
                    Subjects::end_all(&self.inner, subject, except).await? + usize::from(except.is_some())
                );
            }
            Fault::EndAllSparesExpired => list.retain(|(_, record)| record.expires_at > NOW),
            Fault::EndAllEndsAHundred => list.truncate(100),
            Fault::EndAllTrustsTheIndex => {
                let mut keys = self.enrolled(subject);
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    if self.record(&key).await.is_ok() && Some(&key) != except {
                        ended += usize::from(Store::delete(&self.inner, &key).await?);
                    }
                }
                return Ok(ended);
            }
            Fault::EndAllChecksFirst => yield_now().await,
            Fault::EndAllSparesWhatChanges => {
                yield_now().await;
                for (key, record) in list.into_iter().filter(|(key, _)| Some(key) != except) {
                    if self.expect(&key, record.revision).await.is_ok() {
                        ended += usize::from(Store::delete(&self.inner, &key).await?);
                    }
                }
                return Ok(ended);
            }
            Fault::EndAllStopsAtForeign => {
                for key in self.enrolled(subject) {
                    if self.is_foreign(&key) {
                        return Err(Error::corrupt("foreign"));
                    }
                }
            }
            _ => return Subjects::end_all(&self.inner, subject, except).await,
        }
        for (key, _) in list.into_iter().filter(|(key, _)| Some(key) != except) {
            ended += usize::from(Store::delete(&self.inner, &key).await?);
        }
        Ok(ended)
    }
}
