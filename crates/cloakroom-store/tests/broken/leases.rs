use std::time::Duration;

use cloakroom_store::{
    Acquired, Claim, ErrorKind, Key, LeaseId, Leases, Record, Result, Revision, SeenLease, Store, Timestamp,
};

use super::{Broken, Fault, IfDropped, NOW, as_double, changed, nap, yield_now};

impl Broken {
    fn kept_lease(&self, lease: LeaseId) -> LeaseId {
        if self.has(Fault::KeepsLeaseIdsAsDoubles) { LeaseId::new(as_double(lease.get())) } else { lease }
    }

    fn holder(&self, key: &Key) -> Option<(LeaseId, Timestamp)> {
        self.memory().holders.get(key).copied()
    }

    /// Takes the lease, whoever has it.
    async fn seize(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        if let Some(record) = self.record(key).await? {
            self.force(key, &record);
        }
        Leases::acquire(&self.inner, key, claim).await
    }
}

impl Leases for Broken {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let mut kept = *claim;
        kept.lease = self.kept_lease(claim.lease);
        let claim = &kept;
        let holder = self.holder(key);
        let holds = holder.is_some_and(|(holder, until)| holder == claim.lease && until > claim.now);
        let ran_out = holder
            .is_some_and(|(holder, until)| claim.finds_expired(SeenLease::new(holder, until), claim.now));
        let before = self.record(key).await;
        if let Ok(Some(record)) = &before
            && let Some(acquired) = self.acquire_with_a_broken_guard(key, claim, record).await
        {
            return acquired;
        }
        let claim = &self.broken_claim(key, claim, before.as_ref().ok().and_then(Option::as_ref));
        match (self.fault, &before) {
            (Fault::AcquireCreates, Ok(None)) => {
                let record = Record::new(claim.takeover, Timestamp::MAX, []);
                Store::create(&self.inner, key, &record, NOW).await?;
                return Ok(Acquired::Missing);
            }
            (Fault::AcquireRefusesExpired, Ok(Some(record))) if record.expires_at <= NOW => {
                return Ok(Acquired::Missing);
            }
            (Fault::LeasesAreShared, Ok(Some(_))) if !ran_out => return self.seize(key, claim).await,
            (Fault::OneLeaseForAll, Ok(Some(_))) if self.memory().holders.keys().any(|held| held != key) => {
                return Ok(Acquired::Busy(None));
            }
            (Fault::HolderMayNotAcquireAgain, _) if holds => return Ok(Acquired::Busy(None)),
            (Fault::AcquiringAgainTakesOver, Ok(Some(record))) if holds => {
                let taken = changed(record, |record| record.revision = claim.takeover);
                Store::replace(&self.inner, key, &taken, record.revision, NOW).await?;
            }
            (Fault::AcquiringAgainDoesNotLengthen, Ok(Some(record))) if holds => {
                return Ok(Acquired::Held(record.clone()));
            }
            (Fault::AcquireChecksFirst, Ok(Some(_))) if !ran_out => {
                yield_now().await;
                if holder.is_some() && !holds {
                    return Ok(Acquired::Busy(None));
                }
                self.memory().holders.insert(*key, (claim.lease, claim.now.saturating_add(claim.ttl)));
                return self.seize(key, claim).await;
            }
            (Fault::TakeoverChecksFirst, Ok(Some(_))) if ran_out => {
                yield_now().await;
                let record = self.record(key).await?.expect("nobody deletes it");
                let taken = changed(&record, |record| record.revision = claim.takeover);
                self.force(key, &taken);
                return Leases::acquire(&self.inner, key, claim).await;
            }
            (Fault::LeasesOutliveRecords, Ok(_)) if self.memory().ghosts.contains(key) => {
                return Ok(Acquired::Busy(None));
            }
            (Fault::ReleasedLeasesAreTakenOver, Ok(Some(record))) if self.memory().released.contains(key) => {
                let taken = changed(record, |record| record.revision = claim.takeover);
                Store::replace(&self.inner, key, &taken, record.revision, NOW).await?;
            }
            (Fault::AcquireHandsOutForeign, Err(_)) => {
                let nothing = Record::new(Revision::new(0), NOW, []);
                return Ok(Acquired::Held(self.any_record(key).unwrap_or(nothing)));
            }
            _ => {}
        }
        let answer = Leases::acquire(&self.inner, key, claim).await?;
        let Acquired::Held(mut record) = answer else {
            return Ok(match answer {
                Acquired::Missing if self.has(Fault::AcquireOfNothingIsBusy) => Acquired::Busy(None),
                Acquired::Missing if self.has(Fault::MismatchWithoutARecord) && claim.guard.is_some() => {
                    Acquired::Mismatch(Record::new(claim.takeover, NOW, []))
                }
                Acquired::Busy(Some(seen)) if self.has(Fault::TellsAnotherLease) => {
                    Acquired::Busy(Some(SeenLease::new(claim.lease, seen.until)))
                }
                Acquired::Mismatch(record) => Acquired::Mismatch(self.turned(&record)),
                answer => answer,
            });
        };
        {
            let mut memory = self.memory();
            memory.holders.insert(*key, (claim.lease, claim.now.saturating_add(claim.ttl)));
            memory.ever_held.insert((*key, claim.lease.get()));
            memory.released.remove(key);
        }
        if let Ok(Some(before)) = before
            && before.revision != record.revision
        {
            self.memory().taken_over.insert(*key, before.revision);
            let taken = record.revision;
            match self.fault {
                Fault::TakeoverKeepsTheRevision => {
                    Store::replace(&self.inner, key, &before, taken, NOW).await?;
                    record = before;
                }
                Fault::OverruledLeasesKeepTheRevision if claim.overrule.is_some() => {
                    Store::replace(&self.inner, key, &before, taken, NOW).await?;
                    record = before;
                }
                Fault::TakeoverIsOnlyTold => Store::replace(&self.inner, key, &before, taken, NOW).await?,
                _ => {}
            }
        }
        if self.has(Fault::AcquireForgetsTheSubject) {
            record.subject = None;
        }
        Ok(Acquired::Held(self.turned(&record)))
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let epoch = Timestamp::from_millis(0);
        let holds = self.holder(key).is_some_and(|(holder, _)| holder == claim.lease);
        match self.fault {
            Fault::RenewDoesNothing if holds => return Ok(true),
            Fault::RenewTakesWhatIsFree if self.holder(key).is_none() => {
                return Ok(matches!(self.acquire(key, claim).await?, Acquired::Held(_)));
            }
            Fault::RenewRevives if holds => {
                let ttl = claim.now.saturating_add(claim.ttl).since(epoch);
                return Leases::renew(&self.inner, key, &Claim::new(claim.lease, epoch, ttl, claim.takeover))
                    .await;
            }
            _ => {}
        }
        Leases::renew(&self.inner, key, claim).await
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        let lease = self.kept_lease(lease);
        let holder = self.holder(key);
        let once_held = self.memory().ever_held.contains(&(*key, lease.get()));
        let lease = match (self.fault, holder) {
            (Fault::ReleaseDoesNothing, _) => return Ok(once_held),
            (Fault::AnybodyReleases, Some((holder, _))) => holder,
            (Fault::FormerHoldersRelease, Some((holder, _))) if once_held => holder,
            _ => lease,
        };
        let released = Leases::release(&self.inner, key, lease).await?;
        if released {
            let mut memory = self.memory();
            memory.holders.remove(key);
            memory.released.insert(*key);
            memory.releases += 1;
            memory.freed_by_release.insert(*key, true);
        }
        Ok(released)
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> Result<()> {
        let record = &self.turned(record);
        let replaced = match self.fault {
            Fault::ReplaceAndReleaseIsTwoCalls => {
                let replaced = Store::replace(self, key, record, expected, now).await;
                self.release(key, lease).await?;
                return replaced;
            }
            Fault::ReplaceAndReleaseKeepsTheLease => {
                return Store::replace(self, key, record, expected, now).await;
            }
            Fault::ReplaceAndReleaseForgetsTheRecord => {
                self.expect(key, expected).await?;
                self.release(key, lease).await?;
                return Ok(());
            }
            Fault::ReplaceAndReleaseUpserts => {
                let replaced =
                    Leases::replace_and_release(&self.inner, key, record, expected, lease, NOW).await;
                if replaced.as_ref().is_err_and(|error| error.kind() == ErrorKind::Missing) {
                    return Store::create(&self.inner, key, record, NOW).await;
                }
                replaced
            }
            Fault::ReplaceAndReleaseFreesAnybody => {
                let holder = self.holder(key).map_or(lease, |(holder, _)| holder);
                Leases::replace_and_release(&self.inner, key, record, expected, holder, NOW).await
            }
            Fault::StaleHoldersReplace if self.memory().taken_over.get(key) == Some(&expected) => {
                return Store::replace(self, key, record, expected, now).await;
            }
            _ => Leases::replace_and_release(&self.inner, key, record, expected, lease, NOW).await,
        };
        if replaced.is_ok() {
            self.give_life(key, record.expires_at, now, &[Fault::NativeExpiryOfHoldersIsAbsolute]);
        }
        if replaced.is_ok() && self.holder(key).is_some_and(|(holder, _)| holder == lease) {
            let mut memory = self.memory();
            memory.holders.remove(key);
            memory.releases += 1;
            memory.freed_by_release.insert(*key, false);
        }
        replaced
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        match self.fault {
            Fault::WaitMissesEarlierReleases => {
                let releases = self.memory().releases;
                for _ in 0..at_most.as_millis() {
                    if self.memory().releases != releases || self.record(key).await?.is_none() {
                        return Ok(());
                    }
                    nap(Duration::from_millis(1)).await;
                }
                return Ok(());
            }
            Fault::WaitForNothingLasts if self.record(key).await?.is_none() => {
                nap(at_most).await;
                return Ok(());
            }
            Fault::WaitIgnoresAtMost => {
                return Leases::wait(&self.inner, key, Duration::from_secs(3_600)).await;
            }
            Fault::WaitIsNeverWoken if self.holder(key).is_some() => {
                nap(at_most).await;
                return Ok(());
            }
            Fault::WaitIsWokenByReleaseOnly => {
                Leases::wait(&self.inner, key, at_most).await?;
                if self.memory().freed_by_release.get(key) == Some(&false)
                    && self.record(key).await?.is_some()
                {
                    nap(at_most).await;
                }
                return Ok(());
            }
            Fault::WaitIsNotWokenByDelete => {
                let there = self.record(key).await?.is_some();
                Leases::wait(&self.inner, key, at_most).await?;
                if there && self.record(key).await?.is_none() {
                    nap(at_most).await;
                }
                return Ok(());
            }
            Fault::DroppedWaitersSwallowWakeUps => {
                let dropped = self.memory().dropped_waiters;
                if dropped > 0 {
                    nap(at_most).await;
                    return Ok(());
                }
                let guard = IfDropped::new(|| self.memory().dropped_waiters += 1);
                let waited = Leases::wait(&self.inner, key, at_most).await;
                guard.disarm();
                return waited;
            }
            _ => {}
        }
        Leases::wait(&self.inner, key, at_most).await
    }
}
