//! What is broken about guards, and about leases that are not believed.

use std::time::Duration;

use cloakroom_store::{Acquired, Claim, Key, Leases, Record, Result, SeenLease, Store};

use super::{Broken, Fault, NOW, changed};

impl Broken {
    /// The claim that the sound store gets instead of this one, which found `record`.
    pub fn broken_claim(&self, key: &Key, claim: &Claim, record: Option<&Record>) -> Claim {
        let mut claim = *claim;
        let guard = record.and_then(|record| guard_of(&record.data, Claim::GUARD.start));
        match (self.fault, record) {
            (Fault::IgnoresTheGuard, _) => claim.guard = None,
            (Fault::GuardIsComparedInPart, _) => {
                if let (Some(given), Some(guard)) = (&mut claim.guard, guard) {
                    given[8..].copy_from_slice(&guard[8..]);
                }
            }
            // Some bytes further on in a record that names a subject.
            (Fault::GuardIsComparedElsewhere, Some(record)) if record.subject.is_some() => {
                let len = record.subject.as_ref().map_or(0, |subject| subject.as_str().len());
                if let (Some(given), Some(guard)) = (claim.guard, guard) {
                    let elsewhere = guard_of(&record.data, Claim::GUARD.start + len) == Some(given);
                    claim.guard = Some(if elsewhere { guard } else { guard.map(|byte| !byte) });
                }
            }
            (Fault::GuardOfTheCreatedRecord, _) => {
                let memory = self.memory();
                let created = memory.created.get(key).and_then(|record| guard_of(&record.data, 2));
                if let (Some(given), Some(guard)) = (claim.guard, guard) {
                    let matches = created == Some(given);
                    claim.guard = Some(if matches { guard } else { guard.map(|byte| !byte) });
                }
            }
            (Fault::FarLeasesAreHeld, _) => {
                if let Some((holder, until)) = self.memory().holders.get(key)
                    && *holder != claim.lease
                    && *until > claim.now
                    && claim.overrule != Some(SeenLease::new(*holder, *until))
                {
                    claim.ttl = until.since(claim.now);
                }
            }
            (Fault::LeasesALittleAheadAreFree, _) => {
                let latest = claim.now.saturating_add(claim.ttl).saturating_add(Duration::from_secs(1));
                if let Some((holder, until)) = self.memory().holders.get(key)
                    && *until > latest
                {
                    claim.overrule = Some(SeenLease::new(*holder, *until));
                }
            }
            (Fault::OverrulesNothing, _) => claim.overrule = None,
            (Fault::OverrulesAnyLease | Fault::OverrulesTheHolder | Fault::OverrulesTheEnd, _) => {
                if let (Some(seen), Some((holder, until))) =
                    (&mut claim.overrule, self.memory().holders.get(key).copied())
                    && (self.has(Fault::OverrulesAnyLease)
                        || (self.has(Fault::OverrulesTheHolder) && seen.lease == holder)
                        || (self.has(Fault::OverrulesTheEnd) && seen.until == until))
                {
                    *seen = SeenLease::new(holder, until);
                }
            }
            _ => {}
        }
        claim
    }

    /// What a claim gets where the guard of this store comes too late, or is not all of the truth. `None` if it is as it should be.
    pub async fn acquire_with_a_broken_guard(
        &self,
        key: &Key,
        claim: &Claim,
        record: &Record,
    ) -> Option<Result<Acquired>> {
        let mut unguarded = *claim;
        unguarded.guard = None;
        let guard = claim.guard?;
        let matches = guard_of(&record.data, Claim::GUARD.start) == Some(guard);
        let seen = self.memory().holders.get(key).map(|(holder, until)| SeenLease::new(*holder, *until));
        let lives = seen.is_some_and(|seen| !claim.finds_expired(seen, claim.now));
        let is_anothers = lives && seen.is_some_and(|seen| seen.lease != claim.lease);
        match self.fault {
            Fault::GuardIsAfterTheLease if is_anothers && !claim.admits(record) => {
                Some(Ok(Acquired::Busy(seen)))
            }
            Fault::GuardIsAfterTheTakeover if seen.is_some() && !lives && !claim.admits(record) => {
                let taken = changed(record, |record| record.revision = claim.takeover);
                Some(
                    Store::replace(&self.inner, key, &taken, record.revision, NOW)
                        .await
                        .map(|()| Acquired::Mismatch(taken)),
                )
            }
            Fault::GuardIsPadded if record.data.len() < Claim::GUARD.end && guard == [0; 16] => {
                Some(Leases::acquire(&self.inner, key, &unguarded).await)
            }
            Fault::GuardIgnoresTheExpiry if matches => Some(self.acquire_again(key, &unguarded).await),
            Fault::GuardTakesTheExpiry if matches && record.expires_at == claim.now => {
                Some(self.acquire_again(key, &unguarded).await)
            }
            Fault::GuardGoesByTheCreatedExpiry
                if self.memory().created.get(key).is_some_and(|created| created.expires_at <= claim.now) =>
            {
                Some(Ok(Acquired::Mismatch(record.clone())))
            }
            Fault::MismatchTakesTheLease if !claim.admits(record) && !is_anothers => {
                Some(self.acquire_again(key, &unguarded).await.map(|_| Acquired::Mismatch(record.clone())))
            }
            Fault::MismatchFreesTheLease if !claim.admits(record) => {
                self.force(key, record);
                Some(Ok(Acquired::Mismatch(record.clone())))
            }
            Fault::MismatchGivesARevision if !claim.admits(record) => {
                let given = changed(record, |record| record.revision = claim.takeover);
                Some(
                    Store::replace(&self.inner, key, &given, record.revision, NOW)
                        .await
                        .map(|()| Acquired::Mismatch(given)),
                )
            }
            _ => None,
        }
    }

    /// The sound store's result, remembered.
    async fn acquire_again(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let acquired = Leases::acquire(&self.inner, key, claim).await?;
        if let Acquired::Held(_) = acquired {
            let until = claim.now.saturating_add(claim.ttl);
            self.memory().holders.insert(*key, (claim.lease, until));
        }
        Ok(acquired)
    }
}

fn guard_of(data: &[u8], at: usize) -> Option<[u8; 16]> {
    data.get(at..at + 16)?.try_into().ok()
}
