//! One conditional write on its way to the store, and what the answers to it mean.

use cloakroom_store::{
    Applied, Error as StoreError, ErrorKind as StoreErrorKind, Key, LeaseId, Record, Revision,
};

use crate::error::{Error, ErrorKind, Result};
use crate::events;

/// A `create`, or a `replace` of the revision that was read.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) key: Key,
    pub(crate) record: Record,
    /// The revision to replace; `None` to create the record.
    pub(crate) expected: Option<Revision>,
    /// The lease to give back in the same step.
    pub(crate) lease: Option<LeaseId>,
    /// How many times it was sent without a clear outcome.
    unsure: usize,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Applied,
    /// The record is not as expected: it moved on, or there is one where none should be.
    Conflict,
    Missing,
    /// It is not known whether the write was applied, and the record is gone now.
    Gone,
}

/// What follows an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Ended(Written),
    /// Load the record, to see whether the write was applied.
    LookUp,
    /// Send the same write again.
    Send,
}

impl Write {
    pub(crate) fn new(key: Key, record: Record, expected: Option<Revision>, lease: Option<LeaseId>) -> Self {
        Self { key, record, expected, lease, unsure: 0 }
    }

    /// What the store's result means. After a first result that was not clear, the later ones are not either: they may be
    /// about this same write.
    pub(crate) fn answered(&mut self, answer: Result<(), StoreError>) -> Result<Next> {
        let Err(error) = answer else { return Ok(Next::Ended(Written::Applied)) };
        match error.kind() {
            StoreErrorKind::Exists | StoreErrorKind::Conflict if self.unsure == 0 => {
                return Ok(Next::Ended(Written::Conflict));
            }
            StoreErrorKind::Missing if self.unsure == 0 => return Ok(Next::Ended(Written::Missing)),
            StoreErrorKind::Exists
            | StoreErrorKind::Conflict
            | StoreErrorKind::Missing
            | StoreErrorKind::Unavailable(Applied::Maybe) => self.unsure += 1,
            _ => {
                events::store_error(&self.key, &error);
                return Err(error.into());
            }
        }
        events::unsure(&self.key);
        Ok(Next::LookUp)
    }

    /// What it means that the record now has the revision `found`: the write's own one says that it was applied, the
    /// expected one that it may be sent again. Anything else stays unknown, and is an error.
    pub(crate) fn looked_up(&self, found: Option<Revision>) -> Result<Next> {
        match found {
            Some(revision) if revision == self.record.revision => Ok(Next::Ended(Written::Applied)),
            Some(revision) if Some(revision) == self.expected && self.unsure < MAX_UNSURE => Ok(Next::Send),
            Some(_) => {
                Err(Error::with_detail(ErrorKind::Unavailable, "the outcome of a write stayed unknown"))
            }
            // A create is not sent again: should the first one arrive late, it would bring a record back that was ended in
            // between. A replacement was perhaps seen before the record went.
            None => Ok(Next::Ended(Written::Gone)),
        }
    }
}

/// How often the same write is sent while its outcome is unknown.
const MAX_UNSURE: usize = 3;

#[cfg(test)]
mod tests {
    use cloakroom_store::Timestamp;

    use super::*;

    const OWN: Revision = Revision::new(2);
    const READ: Revision = Revision::new(1);
    const OTHER: Revision = Revision::new(3);

    fn replace() -> Write {
        let record = Record::new(OWN, Timestamp::MAX, [].as_slice());
        Write::new(Key::new([7; Key::LEN]), record, Some(READ), None)
    }

    fn lost() -> Result<(), StoreError> {
        Err(StoreError::maybe_applied("told to lose the answer"))
    }

    #[test]
    fn a_clear_answer_ends_the_write() {
        let answers = [
            (Ok(()), Written::Applied),
            (Err(StoreError::conflict()), Written::Conflict),
            (Err(StoreError::exists()), Written::Conflict),
            (Err(StoreError::missing()), Written::Missing),
        ];
        for (answer, written) in answers {
            assert_eq!(replace().answered(answer).unwrap(), Next::Ended(written));
        }
        let error = replace().answered(Err(StoreError::unavailable("away"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_lost_answer_is_looked_up_and_the_revision_tells_what_became_of_the_write() {
        let mut write = replace();
        assert_eq!(write.answered(lost()).unwrap(), Next::LookUp);
        assert_eq!(write.looked_up(Some(OWN)).unwrap(), Next::Ended(Written::Applied));
        assert_eq!(write.looked_up(Some(READ)).unwrap(), Next::Send);
        assert_eq!(write.looked_up(None).unwrap(), Next::Ended(Written::Gone));
        assert_eq!(write.looked_up(Some(OTHER)).unwrap_err().kind(), ErrorKind::Unavailable);
    }

    /// The first of two may have been applied, and then it is what the second one meets.
    #[test]
    fn once_an_answer_was_lost_a_conflict_is_looked_up_too() {
        let refusals = [StoreError::conflict(), StoreError::exists(), StoreError::missing()];
        for refusal in refusals {
            let mut write = replace();
            write.answered(lost()).unwrap();
            assert_eq!(write.answered(Err(refusal)).unwrap(), Next::LookUp);
        }
    }

    #[test]
    fn a_write_whose_answers_stay_lost_is_given_up() {
        let mut write = replace();
        for _ in 1..MAX_UNSURE {
            write.answered(lost()).unwrap();
            assert_eq!(write.looked_up(Some(READ)).unwrap(), Next::Send);
        }
        write.answered(lost()).unwrap();
        assert_eq!(write.looked_up(Some(READ)).unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_create_is_not_sent_again() {
        let mut write = Write { expected: None, ..replace() };
        write.answered(lost()).unwrap();
        assert_eq!(write.looked_up(None).unwrap(), Next::Ended(Written::Gone));
    }
}
