use crate::envelope::Entries;
use crate::oplog::OpLog;

/// What a request has read, so that it can be told when it decided on something that no longer holds.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// All keys were read from these entries, but for those in `keys`.
    all: Option<Entries>,
    /// Single keys: read from these entries, or, with `None`, not read.
    keys: Vec<(Box<str>, Option<Entries>)>,
}

impl Reads {
    /// `key` was read from `entries`.
    pub(crate) fn note(&mut self, key: &str, entries: &Entries) {
        match self.keys.iter_mut().find(|(noted, _)| **noted == *key) {
            Some((_, seen)) => *seen = Some(entries.clone()),
            None => self.keys.push((key.into(), Some(entries.clone()))),
        }
    }

    /// `key` was looked at once more, if it has been read: what counts is what is in `entries`.
    pub(crate) fn note_again(&mut self, key: &str, entries: &Entries) {
        if self.source(key).is_some() {
            self.note(key, entries);
        }
    }

    /// Every key was read from `entries`, but those that `log` writes: of them the request saw what it wrote itself.
    /// Without its value, a key that was read before and has changed since counts as read before.
    pub(crate) fn note_all(&mut self, log: &OpLog, entries: &Entries, values: bool) {
        if log.is_cleared() {
            return;
        }
        let own = log.keys(Entries::EMPTY);
        let before = self.changed(entries).map(|(key, _)| key).filter(|_| !values);
        let kept = own.chain(before);
        self.keys = kept.map(|key| (key.into(), self.source(key).cloned())).collect();
        self.all = Some(entries.clone());
    }

    /// Whether `key` was read, and holds something else in `now`.
    pub(crate) fn moved(&self, key: &str, now: &Entries) -> bool {
        self.source(key).is_some_and(|seen| seen.get(key) != now.get(key))
    }

    /// Whether `log` writes a key that was read, to something else than was read, and `now` holds something else
    /// than was read: the write rests on what is no longer true.
    pub(crate) fn clash(&self, log: &OpLog, now: &Entries) -> bool {
        self.changed(now).any(|(key, seen)| log.writes(key) && log.get(now, key) != seen)
    }

    /// The keys to which `log` writes what was read, and which hold something else in `now`: in the end the request changes
    /// nothing there, and so undoes nobody's change either.
    pub(crate) fn left_alone<'a>(
        &'a self,
        log: &'a OpLog,
        now: &'a Entries,
    ) -> impl Iterator<Item = &'a str> {
        let changed = self.changed(now);
        changed.filter(|(key, seen)| log.writes(key) && log.get(now, key) == *seen).map(|(key, _)| key)
    }

    /// Whether anything that was read is different in `now`.
    pub(crate) fn stale(&self, now: &Entries) -> bool {
        self.changed(now).next().is_some()
    }

    /// The request's own `log` was saved, and `now` is the outcome: what it wrote, it knows.
    pub(crate) fn committed(&mut self, log: &OpLog, now: &Entries) {
        for (key, seen) in &mut self.keys {
            if log.writes(key)
                && let Some(seen) = seen
            {
                seen.clone_from(now);
            }
        }
        if let Some(all) = self.all.clone() {
            for key in log.keys(&all) {
                self.note_again(key, now);
            }
        }
    }

    /// The entries that `key` was read from, if it was.
    fn source(&self, key: &str) -> Option<&Entries> {
        match self.keys.iter().find(|(noted, _)| **noted == *key) {
            Some((_, seen)) => seen.as_ref(),
            None => self.all.as_ref(),
        }
    }

    /// The keys that were read and hold something else `now`, each with what was read.
    fn changed<'a>(&'a self, now: &'a Entries) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> {
        let single = self.keys.iter().map(|(key, _)| &**key);
        let all = self.all.iter().filter(|all| !all.same(now));
        let all = all.flat_map(|all| all.iter().chain(now.iter())).map(|(key, _)| key);
        single
            .chain(all)
            .filter_map(|key| Some((key, self.source(key)?.get(key))))
            .filter(|(key, seen)| now.get(key) != *seen)
    }
}

#[cfg(test)]
mod tests;
