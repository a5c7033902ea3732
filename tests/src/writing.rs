use std::error::Error as StdError;
use std::path::Path;
use std::time::Duration;

use cloakroom_file::FileStore;
use cloakroom_store::{Acquired, Claim, Key, LeaseId, Leases, Record, Revision, Subject, Timestamp};
use cloakroom_test_checker::Rng;

/// Opens the folder of sessions at `path`; `durability` is `full` or `relaxed`.
pub fn file_store(path: impl AsRef<Path>, durability: &str) -> FileStore {
    let builder = match durability {
        "full" => FileStore::builder(),
        "relaxed" => FileStore::builder().danger_relaxed_durability(),
        other => panic!("no such durability: {other}"),
    };
    builder.open(path).unwrap()
}

/// A place where one writer keeps sessions, one after the other: each is created, changed in every way there is, and
/// deleted. What is stored after so many steps follows from their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u64);

/// The steps in a session's life.
const CREATE: u64 = 0;
const SIGN_IN: u64 = 2;
const TOUCH: u64 = 3;
const LEASED: [u64; 2] = [4, 6];
const SIGN_OUT: u64 = 5;
const DELETE: u64 = 9;
const LIFE: u64 = 10;

impl Slot {
    /// The session that this slot has, or had last, after so many steps.
    pub fn key(self, steps: u64) -> Key {
        let life = steps.saturating_sub(1) / LIFE;
        let mut bytes = [0; Key::LEN];
        let mut noise = noise(&[self.0, life, 1]);
        bytes.fill_with(|| noise.number() as u8);
        Key::new(bytes)
    }

    /// Who it belongs to while it does.
    pub fn subject(self) -> Subject {
        Subject::new(format!("user {}", self.0)).unwrap()
    }

    /// What is stored after so many steps.
    pub fn record(self, steps: u64) -> Option<Record> {
        let last = steps.checked_sub(1)?;
        let (life, step) = (last / LIFE, last % LIFE);
        if step == DELETE {
            return None;
        }
        // A touch leaves what the step before has written.
        let written = if step == TOUCH { last - 1 } else { last };
        let touched = if step >= TOUCH { Duration::from_secs(3600) } else { Duration::ZERO };
        let mut noise = noise(&[self.0, written, 2]);
        let len = noise.within(0..LONGEST);
        let data: Vec<_> = (0..len).map(|_| noise.number() as u8).collect();
        let expires_at = EXPIRY.saturating_add(Duration::from_millis(life)).saturating_add(touched);
        let record = Record::new(Revision::new((self.0 << 32) | written), expires_at, data);
        Some(record.with_subject((SIGN_IN..SIGN_OUT).contains(&step).then(|| self.subject())))
    }

    /// How many steps led to what is `found` in the folder: as many as were `acknowledged`, or one more, whose writer did
    /// not live to say so. `None` if neither did.
    pub fn steps_found(self, acknowledged: u64, found: impl Fn(&Key) -> Option<Record>) -> Option<u64> {
        let next = acknowledged + 1;
        let as_after =
            |steps| without_takeover(found(&self.key(steps)), self.record(steps)) == self.record(steps);
        if self.key(acknowledged) == self.key(next) {
            return [next, acknowledged].into_iter().find(|&steps| as_after(steps));
        }
        // The session before was deleted, and the next one may have been created.
        let created = found(&self.key(next)).is_some();
        let known = if created { next } else { acknowledged };
        (as_after(acknowledged) && as_after(known)).then_some(known)
    }

    /// Takes the step after so many.
    ///
    /// # Errors
    /// The store's, and if it does not hold what it should.
    pub async fn step(self, store: &impl Leases, steps: u64) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let next = steps + 1;
        let key = self.key(next);
        match steps % LIFE {
            CREATE => store.create(&key, &self.record(next).expect("created"), NOW).await?,
            DELETE => {
                if !store.delete(&key).await? {
                    return Err("nothing to delete".into());
                }
            }
            TOUCH => {
                let record = self.record(next).expect("touched");
                if !store.touch(&key, NOW, record.expires_at).await? {
                    return Err("nothing to touch".into());
                }
            }
            step => {
                let record = self.record(next).expect("replaced");
                if LEASED.contains(&step) {
                    let claim = self.claim(steps);
                    let Acquired::Held(before) = store.acquire(&key, &claim).await? else {
                        return Err("somebody else has the lease".into());
                    };
                    if !store.renew(&key, &claim).await? {
                        return Err("the lease is gone".into());
                    }
                    store.replace_and_release(&key, &record, before.revision, claim.lease, NOW).await?;
                } else {
                    let before = store.load(&key).await?.ok_or("nothing to replace")?;
                    store.replace(&key, &record, before.revision, NOW).await?;
                }
            }
        }
        Ok(())
    }

    /// What this process brings to have the session to itself at that step, for much longer than any test takes.
    pub fn claim(self, steps: u64) -> Claim {
        let mut noise = noise(&[self.0, steps, std::process::id().into()]);
        let lease = LeaseId::new(noise.number());
        Claim::new(lease, NOW, Duration::from_secs(3600), Revision::new(TAKEOVER | noise.number()))
    }
}

/// What was found, but for a revision that it got from somebody who took a lease over and went no further.
fn without_takeover(found: Option<Record>, expected: Option<Record>) -> Option<Record> {
    let mut found = found?;
    if let Some(expected) = expected
        && found.revision.get() & TAKEOVER != 0
    {
        found.revision = expected.revision;
    }
    Some(found)
}

/// What follows from a few numbers, without a pattern.
fn noise(numbers: &[u64]) -> Rng {
    numbers.iter().fold(Rng::new(0), |mut noise, number| Rng::new(noise.number() ^ number))
}

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);
const EXPIRY: Timestamp = Timestamp::from_millis(4_000_000_000_000);
const LONGEST: usize = 60_000;
/// What no other revision has.
const TAKEOVER: u64 = 1 << 63;
