use std::future::Future;

use crate::{Key, Record, Result, Store, Subject, Timestamp};

/// The records of one user.
///
/// The index behind it is a superset: an entry may outlive its record, or name a record that belongs to
/// somebody else by now. Answers are checked against the records themselves.
pub trait Subjects: Store {
    /// Makes sure that the index knows `key` as one of `subject`'s, until `until`.
    ///
    /// Called, and answered, before any record under `key` names the subject; `until` is the record's
    /// absolute limit. Changes no record, and creates none. Where the index follows from the records themselves there is nothing to do.
    fn enroll(
        &self,
        subject: &Subject,
        key: &Key,
        until: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// The records that name `subject`, in no particular order, expired ones that are still stored
    /// included.
    fn list(&self, subject: &Subject) -> impl Future<Output = Result<Vec<(Key, Record)>>> + Send;

    /// Deletes every record that names `subject`, but not the one under `except`; answers how many.
    ///
    /// Each record is checked atomically with its removal: one that has passed to another subject stays.
    fn end_all(&self, subject: &Subject, except: Option<&Key>) -> impl Future<Output = Result<usize>> + Send;
}
