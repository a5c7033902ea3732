use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Error, ErrorKind, Facets, Key, Record, Result, Revision, Store, Subject, Timestamp};

use super::{Broken, Fault, IfDropped, NOW, as_double, changed, expiring, yield_now};

impl Broken {
    /// The record as this store keeps it.
    fn kept(&self, record: &Record) -> Result<Record> {
        let mut record = self.turned(record);
        match self.fault {
            Fault::DataEndsAtNul => {
                let text: Vec<u8> = record.data.iter().copied().take_while(|byte| *byte != 0).collect();
                record.data = text.into();
            }
            Fault::RefusesLargeData if record.data.len() > 65_536 => {
                return Err(Error::new(ErrorKind::TooLarge));
            }
            Fault::CutsHugeData => record.data = record.data[..record.data.len().min(1 << 19)].into(),
            Fault::TrimsSubjects => {
                record.subject =
                    record.subject.and_then(|subject| Subject::new(subject.as_str().trim()).ok());
            }
            Fault::KeepsRevisionsAsDoubles => record.revision = self.kept_revision(record.revision),
            Fault::KeepsSeconds => {
                record.expires_at = Timestamp::from_millis(record.expires_at.as_millis() / 1_000 * 1_000);
            }
            _ => {}
        }
        Ok(record)
    }

    fn kept_revision(&self, revision: Revision) -> Revision {
        match self.fault {
            Fault::KeepsRevisionsAsDoubles => Revision::new(as_double(revision.get())),
            _ => revision,
        }
    }

    fn locked(&self, key: &Key) -> Result<()> {
        if self.memory().locked.contains(key) { Err(Error::unavailable("locked")) } else { Ok(()) }
    }

    /// Deletes, and remembers what it should not.
    async fn remove(&self, key: &Key) -> Result<bool> {
        if let Ok(Some(record)) = self.record(key).await {
            let mut memory = self.memory();
            memory.removed.push((*key, record));
            if memory.holders.remove(key).is_some() {
                memory.ghosts.insert(*key);
            }
            memory.freed_by_release.insert(*key, false);
        }
        Store::delete(&self.inner, key).await
    }

    /// The keys of expired records, found in one step; removed, if `still` is so, in another.
    async fn purge_in_two_steps(
        &self,
        cutoff: Timestamp,
        still: impl Fn(&Record, &Record) -> bool,
    ) -> Result<(usize, usize)> {
        let mut found = self.all().await;
        found.retain(|(_, record)| record.expires_at < cutoff);
        yield_now().await;
        let mut removed = 0;
        for (key, before) in &found {
            if let Some(now) = self.record(key).await?
                && still(before, &now)
            {
                removed += usize::from(Store::delete(&self.inner, key).await?);
            }
        }
        Ok((found.len(), removed))
    }
}

impl Store for Broken {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        let record = &self.kept(record)?;
        self.locked(key)?;
        let there = self.record(key).await;
        match (self.fault, &there) {
            (Fault::ReservesTheZeroKey, _) if key.as_bytes() == &[0; 32] => {
                return Err(Error::new(ErrorKind::Other));
            }
            (Fault::ConfusesTheLastByte, _)
                if self
                    .all()
                    .await
                    .iter()
                    .any(|(other, _)| other != key && other.as_bytes()[..31] == key.as_bytes()[..31]) =>
            {
                return Err(Error::exists());
            }
            (Fault::CreateForgetsTheSubject, _) => {
                let record = record.clone().with_subject(None);
                return Store::create(&self.inner, key, &record, NOW).await;
            }
            (Fault::CreateOverwrites, Ok(Some(_))) => {
                self.force(key, record);
                return Ok(());
            }
            (Fault::CreateOverwritesExpired, Ok(Some(there))) if there.expires_at <= NOW => {
                self.force(key, record);
                return Ok(());
            }
            (Fault::CreateOverwritesForeign, Err(_)) => {
                self.force(key, record);
                return Ok(());
            }
            (Fault::CreateIsRefusedAfterDelete, _)
                if self.memory().removed.iter().any(|(removed, _)| removed == key) =>
            {
                return Err(Error::exists());
            }
            (Fault::PurgeLeavesTheKeyTaken, _) if self.memory().purged.contains(key) => {
                return Err(Error::exists());
            }
            (Fault::CreateChecksFirst, Ok(None)) => {
                yield_now().await;
                self.force(key, record);
                return Ok(());
            }
            (Fault::CreateInTwoSteps, Ok(None)) => {
                let begun = changed(record, |record| record.data = [].into());
                Store::create(&self.inner, key, &begun, NOW).await?;
                yield_now().await;
                return Store::replace(&self.inner, key, record, record.revision, NOW).await;
            }
            _ => {}
        }
        Store::create(&self.inner, key, record, NOW).await?;
        let mut memory = self.memory();
        memory.created.insert(*key, record.clone());
        memory.expiry.insert(*key, record.expires_at);
        drop(memory);
        self.give_life(key, record.expires_at, now, &[Fault::NativeExpiryIsAbsolute]);
        Ok(())
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.locked(key)?;
        self.expire().await?;
        let loaded = self.record(key).await;
        match (self.fault, &loaded) {
            (Fault::LoadFailsBeforeTheFirstCreate, Ok(None)) if self.memory().created.is_empty() => {
                return Err(Error::new(ErrorKind::Other));
            }
            (Fault::LoadHidesExpired, Ok(Some(record))) if record.expires_at <= NOW => return Ok(None),
            (Fault::EmptyDataIsNoRecord, Ok(Some(record))) if record.data.is_empty() => return Ok(None),
            (Fault::LoadTrustsTheKey, Err(error)) if error.kind() == ErrorKind::Corrupt => {
                return self.any_record(key).map(Some).ok_or_else(|| Error::corrupt("garbage"));
            }
            (Fault::GarbageIsMissing, Err(error))
                if error.kind() == ErrorKind::Corrupt && self.any_record(key).is_none() =>
            {
                return Ok(None);
            }
            (Fault::LaterVersionsAreMissing, Err(error)) if error.kind() == ErrorKind::UnknownVersion => {
                return Ok(None);
            }
            (Fault::LaterVersionsAreCorrupt, Err(error)) if error.kind() == ErrorKind::UnknownVersion => {
                return Err(Error::corrupt("another version"));
            }
            (Fault::LoadIsCached, Ok(_)) => {
                return Ok(self.cache.lock().unwrap().entry(*key).or_insert(loaded?).clone());
            }
            (Fault::LoadAnswersThePreviousOne, Ok(_)) => {
                if let Some(unread) = self.memory().unread_answer.take() {
                    return Ok(unread);
                }
                let answer = loaded?;
                let guard = IfDropped::new(|| self.memory().unread_answer = Some(answer.clone()));
                yield_now().await;
                guard.disarm();
                return Ok(answer);
            }
            _ => {}
        }
        Ok(loaded?.map(|record| self.turned(&record)))
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        let record = &self.kept(record)?;
        let expected = self.kept_revision(expected);
        self.locked(key)?;
        match (self.fault, self.record(key).await) {
            (Fault::ReplaceForgetsTheSubject, Ok(Some(_))) => {
                let record = record.clone().with_subject(None);
                return Store::replace(&self.inner, key, &record, expected, NOW).await;
            }
            (Fault::ReplaceOnlyLengthens, Ok(Some(there))) => {
                let record = expiring(there.expires_at.max(record.expires_at), record);
                return Store::replace(&self.inner, key, &record, expected, NOW).await;
            }
            (Fault::ReplaceIgnoresTheRevision, Ok(Some(there))) => {
                return Store::replace(&self.inner, key, record, there.revision, NOW).await;
            }
            (Fault::ReplaceWantsGreaterRevisions, Ok(Some(there)))
                if record.revision.get() < there.revision.get() =>
            {
                return Err(Error::conflict());
            }
            (Fault::ReplaceUpserts, Ok(None)) => return Store::create(&self.inner, key, record, NOW).await,
            (Fault::ReplaceRefusesExpired, Ok(Some(there))) if there.expires_at <= NOW => {
                return Err(Error::missing());
            }
            (Fault::ReplaceOverwritesForeign, Err(_)) => {
                self.force(key, record);
                return Ok(());
            }
            (Fault::ReplaceChecksFirst, _) => {
                self.expect(key, expected).await?;
                yield_now().await;
                self.force(key, record);
                return Ok(());
            }
            (Fault::ReplaceResurrects, _) => {
                self.expect(key, expected).await?;
                yield_now().await;
                let replaced = Store::replace(&self.inner, key, record, expected, NOW).await;
                return match replaced {
                    Err(error) if error.kind() == ErrorKind::Missing => {
                        Store::create(&self.inner, key, record, NOW).await
                    }
                    replaced => replaced,
                };
            }
            (Fault::ReplaceInTwoSteps, Ok(Some(there))) => {
                let begun = changed(record, |record| record.data = Arc::clone(&there.data));
                Store::replace(&self.inner, key, &begun, expected, NOW).await?;
                yield_now().await;
                return Store::replace(&self.inner, key, record, record.revision, NOW).await;
            }
            (Fault::ReplaceDropsTheLease, Ok(Some(_))) => {
                Store::replace(&self.inner, key, record, expected, NOW).await?;
                self.force(key, record);
                return Ok(());
            }
            (Fault::LeasesBlockReplace, Ok(Some(_))) if self.memory().holders.contains_key(key) => {
                return Err(Error::unavailable("leased"));
            }
            (Fault::StaleHoldersReplace, Ok(Some(there)))
                if self.memory().taken_over.get(key) == Some(&expected) =>
            {
                return Store::replace(&self.inner, key, record, there.revision, NOW).await;
            }
            (Fault::DroppedReplaceLeavesALock, _) => {
                let guard = IfDropped::new(|| {
                    self.memory().locked.insert(*key);
                });
                yield_now().await;
                guard.disarm();
            }
            _ => {}
        }
        let before = self.record(key).await;
        Store::replace(&self.inner, key, record, expected, NOW).await?;
        let mut memory = self.memory();
        if let Ok(Some(before)) = before {
            memory.replaced.insert(*key, before);
        }
        if !self.has(Fault::PurgeForgetsReplaces) {
            memory.expiry.insert(*key, record.expires_at);
        }
        drop(memory);
        if !self.has(Fault::NativeExpiryForgetsReplaces) {
            self.give_life(key, record.expires_at, now, &[Fault::NativeExpiryOfReplacesIsAbsolute]);
        }
        Ok(())
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.locked(key)?;
        match (self.fault, self.record(key).await) {
            (Fault::TouchChangesTheRevision, Ok(Some(there))) => {
                let alive = Store::touch(&self.inner, key, now, expires_at).await?;
                if let Some(touched) = self.record(key).await?
                    && alive
                {
                    let revised = changed(&touched, |record| {
                        record.revision = Revision::new(there.revision.get() + 1_000_000);
                    });
                    Store::replace(&self.inner, key, &revised, there.revision, NOW).await?;
                }
                return Ok(alive);
            }
            (Fault::TouchForgetsTheSubject, Ok(Some(there))) => {
                let alive = Store::touch(&self.inner, key, now, expires_at).await?;
                if let Some(touched) = self.record(key).await? {
                    Store::replace(&self.inner, key, &touched.with_subject(None), there.revision, NOW)
                        .await?;
                }
                return Ok(alive);
            }
            (Fault::TouchMovesBack, Ok(Some(there))) if there.expires_at > now => {
                Store::replace(&self.inner, key, &expiring(expires_at, &there), there.revision, NOW).await?;
                return Ok(true);
            }
            (Fault::TouchRevives, Ok(Some(there))) if there.expires_at < now => {
                return Store::touch(&self.inner, key, Timestamp::from_millis(0), expires_at).await;
            }
            (Fault::TouchRevivesAtTheExpiry, Ok(Some(there))) if there.expires_at == now => {
                return Store::touch(&self.inner, key, Timestamp::from_millis(0), expires_at).await;
            }
            (Fault::TouchCreates, Ok(None)) => {
                let record = Record::new(Revision::new(0), expires_at, []);
                Store::create(&self.inner, key, &record, NOW).await?;
                return Ok(true);
            }
            (Fault::TouchKeepsDoubles, Ok(_)) => {
                let expires_at = Timestamp::from_millis(as_double(expires_at.as_millis()));
                return Store::touch(&self.inner, key, now, expires_at).await;
            }
            (Fault::TouchResurrects, Ok(Some(there))) if there.expires_at > now => {
                yield_now().await;
                if self.record(key).await?.is_none() {
                    self.force(key, &there);
                }
            }
            (Fault::TouchWritesTheRecordBack, Ok(Some(there))) if there.expires_at > now => {
                yield_now().await;
                if let Some(now_there) = self.record(key).await? {
                    let expires_at = now_there.expires_at.max(expires_at);
                    let record = expiring(expires_at, &there);
                    Store::replace(&self.inner, key, &record, now_there.revision, NOW).await?;
                    return Ok(true);
                }
                return Ok(false);
            }
            (Fault::TouchInTwoSteps, Ok(Some(there))) if there.expires_at > now => {
                let begun = expiring(now.saturating_add(Duration::from_millis(1)), &there);
                Store::replace(&self.inner, key, &begun, there.revision, NOW).await?;
                yield_now().await;
                return Store::touch(&self.inner, key, now, expires_at.max(there.expires_at)).await;
            }
            (Fault::TouchFindsForeignAlive, Err(_)) => return Ok(true),
            (Fault::TouchDropsTheLease, Ok(Some(_))) => {
                let alive = Store::touch(&self.inner, key, now, expires_at).await?;
                if let Some(touched) = self.record(key).await? {
                    self.force(key, &touched);
                }
                return Ok(alive);
            }
            _ => {}
        }
        let alive = Store::touch(&self.inner, key, now, expires_at).await?;
        if alive && !self.has(Fault::NativeExpiryForgetsTouches) {
            let expires_at = self.record(key).await?.map_or(expires_at, |record| record.expires_at);
            self.give_life(key, expires_at, now, &[Fault::NativeExpiryOfTouchesIsAbsolute]);
        }
        if alive && !self.has(Fault::PurgeForgetsTouches) {
            let mut memory = self.memory();
            let known = memory.expiry.entry(*key).or_insert(expires_at);
            *known = expires_at.max(*known);
        }
        Ok(alive)
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.locked(key)?;
        match (self.fault, self.record(key).await) {
            (Fault::DeleteSaysFalse, _) => {
                self.remove(key).await?;
                return Ok(false);
            }
            (Fault::DeleteSaysTrue, _) => {
                self.remove(key).await?;
                return Ok(true);
            }
            (Fault::DeleteTakesTheNeighbour, _) => {
                let mut near = *key.as_bytes();
                near[31] ^= 1;
                self.remove(&Key::new(near)).await?;
            }
            (Fault::DeleteChecksFirst, Ok(there)) => {
                yield_now().await;
                self.remove(key).await?;
                return Ok(there.is_some());
            }
            (Fault::DeletesTwice, Ok(Some(_))) => {
                let there = self.remove(key).await?;
                yield_now().await;
                self.remove(key).await?;
                return Ok(there);
            }
            (Fault::DeleteInTwoSteps, Ok(Some(there))) => {
                let emptied = changed(&there, |record| record.data = [].into());
                Store::replace(&self.inner, key, &emptied, there.revision, NOW).await?;
                yield_now().await;
            }
            (Fault::DeleteClaimsForeign, Err(_)) => return Ok(true),
            (Fault::DeleteLeavesLaterVersions, Err(error)) if error.kind() == ErrorKind::UnknownVersion => {
                return Err(error);
            }
            _ => {}
        }
        self.remove(key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        if self.expires_natively()
            && !self.has(Fault::ExpiresNativelyAndPurges)
            && !self.has(Fault::ExpiresNativelyUnsaid)
        {
            return Ok(0);
        }
        let millisecond = std::time::Duration::from_millis(1);
        let (cutoff, limit) = match self.fault {
            Fault::PurgeTakesTheCutoff => (cutoff.saturating_add(millisecond), limit),
            Fault::PurgeIgnoresTheLimit => (cutoff, usize::MAX),
            Fault::PurgeStopsEarly => (cutoff, limit.div_ceil(2)),
            Fault::PurgeOfZeroIsUnlimited if limit == 0 => (cutoff, usize::MAX),
            Fault::PurgeOverflows if limit == usize::MAX => (cutoff, 0),
            _ => (cutoff, limit),
        };
        match self.fault {
            Fault::PurgeTakesImmortals if cutoff == Timestamp::MAX => {
                let all = self.all().await;
                for (key, _) in &all {
                    self.remove(key).await?;
                }
                return Ok(all.len());
            }
            Fault::PurgeForgetsTouches | Fault::PurgeForgetsReplaces => {
                let expired: Vec<_> = self.memory().expiry.iter().map(|(key, at)| (*key, *at)).collect();
                let mut removed = 0;
                for (key, _) in expired.into_iter().filter(|(_, at)| *at < cutoff).take(limit) {
                    self.memory().expiry.remove(&key);
                    removed += usize::from(self.remove(&key).await?);
                }
                return Ok(removed);
            }
            Fault::PurgeChecksFirst => {
                return Ok(self.purge_in_two_steps(cutoff, |_, _| true).await?.1);
            }
            Fault::PurgeRechecksTheRevisionOnly => {
                let still = |before: &Record, now: &Record| before.revision == now.revision;
                return Ok(self.purge_in_two_steps(cutoff, still).await?.1);
            }
            Fault::PurgeRechecksTouchesOnly => {
                let still = |before: &Record, now: &Record| {
                    before.revision != now.revision || before.expires_at == now.expires_at
                };
                return Ok(self.purge_in_two_steps(cutoff, still).await?.1);
            }
            Fault::PurgeCountsWhatItFound => {
                let still = |_: &Record, now: &Record| now.expires_at < cutoff;
                return Ok(self.purge_in_two_steps(cutoff, still).await?.0);
            }
            Fault::PurgeStopsAtForeign if !self.memory().planted.is_empty() => {
                return Err(Error::corrupt("foreign"));
            }
            Fault::PurgeCountsDeleted => {
                let deleted =
                    self.memory().removed.drain(..).filter(|(_, old)| old.expires_at < cutoff).count();
                return Ok(deleted + Store::purge(&self.inner, cutoff, limit).await?);
            }
            _ => {}
        }
        let expired: Vec<_> = self
            .all()
            .await
            .into_iter()
            .filter(|(_, record)| record.expires_at < cutoff)
            .take(limit)
            .collect();
        {
            let mut memory = self.memory();
            memory.purged.extend(expired.iter().map(|(key, _)| *key));
            memory.removed.extend(expired);
        }
        let removed = Store::purge(&self.inner, cutoff, limit).await?;
        Ok(if self.has(Fault::PurgeCountsTwice) && removed > 1 { 2 * removed } else { removed })
    }

    fn facets(&self) -> Facets<'_> {
        let mut facets = Facets::none().leases(self).subjects(self).scan(self).notices(self);
        match self.fault {
            Fault::HidesLeases => facets.leases = None,
            Fault::HidesSubjects => facets.subjects = None,
            Fault::HidesScan => facets.scan = None,
            Fault::HidesNotices => facets.notices = None,
            Fault::TurnsAndPassesLeases => facets = facets.leases(&self.inner),
            Fault::TurnsAndPassesScan => facets = facets.scan(&self.inner),
            Fault::TurnsAndPassesSubjects => facets = facets.subjects(&self.inner),
            _ => {}
        }
        facets
    }
}
