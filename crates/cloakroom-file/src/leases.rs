//! Exclusive use: a small file says who has a record, until when, and in which open store. It is changed under the
//! record's write lock and never synced: after a crash of the machine every holder is dead.

use std::fs;
use std::io;

use cloakroom_store::{Acquired, Claim, Error, Key, LeaseId, Result, SeenLease, Timestamp};

use crate::disk::io_failed;
use crate::folder::Folder;
use crate::processes::InstanceId;

/// Who holds the lease on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lease {
    holder: LeaseId,
    until: Timestamp,
    /// The open store in which the holder is: its lease ends with it.
    instance: InstanceId,
}

impl Folder {
    pub(crate) fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let lock = self.locks.lock(key)?;
        let Some(mut record) = self.record(key)? else { return Ok(Acquired::Missing) };
        if !claim.admits(&record) {
            return Ok(Acquired::Mismatch(record));
        }
        let found = self.lease(key)?;
        let mut failed: fn(io::Error) -> Error = io_failed;
        match found {
            LeaseFile::Nothing => {}
            LeaseFile::Lease(lease)
                if !claim.finds_expired(lease.seen(), claim.now) && self.is_alive(lease)? =>
            {
                if lease.holder != claim.lease {
                    return Ok(Acquired::Busy(Some(lease.seen())));
                }
            }
            // Expired, too far ahead, overruled, or its holder died.
            LeaseFile::Lease(_) | LeaseFile::Nonsense => {
                record.revision = claim.takeover;
                self.rewrite(&lock, key, &record)?;
                failed = Error::maybe_applied;
            }
        }
        let kept = self.keep_lease(key, claim);
        if kept.is_err() && matches!(found, LeaseFile::Nothing) {
            // Half a lease would be taken over, although it was never held.
            let _ = self.disk.remove(&self.layout.lease(key));
        }
        kept.map_err(failed)?;
        Ok(Acquired::Held(record))
    }

    pub(crate) fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let _lock = self.locks.lock(key)?;
        match self.held_by(key, claim.lease)?.filter(|lease| lease.until > claim.now) {
            // A claim that comes late shortens nothing.
            Some(lease) if lease.until >= claim.now.saturating_add(claim.ttl) => Ok(true),
            Some(_) => self.keep_lease(key, claim).map(|()| true).map_err(io_failed),
            None => Ok(false),
        }
    }

    pub(crate) fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        let _lock = self.locks.lock(key)?;
        Ok(self.held_by(key, lease)?.is_some()
            && self.disk.remove(&self.layout.lease(key)).map_err(io_failed)?)
    }

    /// Whether the lease on `key` may be free, as far as can be told without the time.
    pub(crate) fn may_be_free(&self, key: &Key) -> Result<bool> {
        Ok(match self.lease(key)? {
            LeaseFile::Lease(lease) => !self.is_alive(lease)?,
            LeaseFile::Nothing | LeaseFile::Nonsense => true,
        })
    }

    fn is_alive(&self, lease: Lease) -> Result<bool> {
        self.presence.is_alive(lease.instance).map_err(io_failed)
    }

    fn held_by(&self, key: &Key, holder: LeaseId) -> Result<Option<Lease>> {
        Ok(match self.lease(key)? {
            LeaseFile::Lease(lease) if lease.holder == holder => Some(lease),
            _ => None,
        })
    }

    fn lease(&self, key: &Key) -> Result<LeaseFile> {
        match fs::read(self.layout.lease(key)) {
            Ok(bytes) => Ok(Lease::decode(&bytes).map_or(LeaseFile::Nonsense, LeaseFile::Lease)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LeaseFile::Nothing),
            Err(error) => Err(io_failed(error)),
        }
    }

    fn keep_lease(&self, key: &Key, claim: &Claim) -> io::Result<()> {
        let lease = Lease {
            holder: claim.lease,
            until: claim.now.saturating_add(claim.ttl),
            instance: self.presence.id(),
        };
        self.disk.write_volatile(&self.layout.lease(key), &lease.encode()).map(drop)
    }
}

enum LeaseFile {
    Nothing,
    Lease(Lease),
    /// Its writer died in the middle.
    Nonsense,
}

impl Lease {
    /// As callers see it.
    fn seen(self) -> SeenLease {
        SeenLease::new(self.holder, self.until)
    }

    /// Three numbers of eight bytes, little-endian: holder, end in milliseconds since the Unix epoch, open store.
    fn encode(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let numbers = [self.holder.get(), self.until.as_millis(), self.instance.0];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let &[holder, until, instance] = numbers else { return None };
        Some(Self {
            holder: LeaseId::new(u64::from_le_bytes(holder)),
            until: Timestamp::from_millis(u64::from_le_bytes(until)),
            instance: InstanceId(u64::from_le_bytes(instance)),
        })
    }
}

const LEN: usize = 24;
