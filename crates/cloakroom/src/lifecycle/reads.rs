use crate::envelope::Entries;
use crate::oplog::OpLog;

/// What a request has read, so that it can be told when it decided on something that no longer holds.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// Keys read one by one, each with the entries it was read from.
    keys: Vec<(Box<str>, Entries)>,
    /// All keys were read from these entries, before those in `keys`.
    all: Option<Entries>,
}

impl Reads {
    /// `key` was read from `entries`.
    pub(crate) fn note(&mut self, key: &str, entries: &Entries) {
        match self.keys.iter_mut().find(|(read, _)| **read == *key) {
            Some((_, seen)) => seen.clone_from(entries),
            None => self.keys.push((key.into(), entries.clone())),
        }
    }

    /// Every key was read from `entries`.
    pub(crate) fn note_all(&mut self, entries: &Entries) {
        self.keys.clear();
        self.all = Some(entries.clone());
    }

    /// Whether `log` writes a key that was read, to something else than was read, and `now` holds something else
    /// than was read: the write rests on what is no longer true.
    pub(crate) fn clash(&self, log: &OpLog, now: &Entries) -> bool {
        let clashes = |key: &str, seen: Option<&[u8]>| log.get(now, key) != seen && now.get(key) != seen;
        let in_all = |seen: &Entries| {
            let writes = |key: &&str| log.writes(key) && !self.keys.iter().any(|(read, _)| **read == **key);
            log.keys(now).chain(log.keys(seen)).filter(writes).any(|key| clashes(key, seen.get(key)))
        };
        self.keys.iter().any(|(key, seen)| log.writes(key) && clashes(key, seen.get(key)))
            || self.all.as_ref().is_some_and(in_all)
    }

    /// Whether anything that was read is different in `now`.
    pub(crate) fn stale(&self, now: &Entries) -> bool {
        let one_by_one = |key: &str| self.keys.iter().any(|(read, _)| **read == *key);
        let differs = |seen: &Entries| {
            let keys = seen.iter().chain(now.iter()).map(|(key, _)| key);
            keys.filter(|key| !one_by_one(key)).any(|key| seen.get(key) != now.get(key))
        };
        self.keys.iter().any(|(key, seen)| seen.get(key) != now.get(key))
            || self.all.as_ref().is_some_and(differs)
    }

    /// The request's own `log` was saved, and `now` is the outcome: what it wrote, it knows.
    pub(crate) fn landed(&mut self, log: &OpLog, now: &Entries) {
        for (key, seen) in &mut self.keys {
            if log.writes(key) {
                seen.clone_from(now);
            }
        }
        if let Some(all) = self.all.clone() {
            for key in log.keys(&all) {
                self.note(key, now);
            }
        }
    }
}
