//! The index of a user's records: a sorted set of keys by when they end, in a slot of its own.

use std::sync::Arc;

use cloakroom_store::{Error, ErrorKind, Key, Record, Result, Subject, Subjects, Timestamp};

use crate::error::Fault;
use crate::space::Space;
use crate::store::RedisStore;
use crate::together::together;
use crate::{fields, reply, script};

impl Subjects for RedisStore {
    async fn enroll(&self, subject: &Subject, key: &Key, until: Timestamp) -> Result<()> {
        let (member, until) = (key.to_string(), fields::millis(until.as_millis()));
        let margin = Record::NATIVE_EXPIRY_MARGIN.as_millis().to_string();
        let args = [member.as_bytes(), until.as_bytes(), margin.as_bytes()];
        self.space.run(&script::ENROLL, &self.space.index(subject), &args).await?;
        Ok(())
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<(Key, Record)>> {
        let keys = enrolled(&self.space, subject).await?;
        let mut found = found(&self.space, keys).await?;
        found.retain(|(_, record)| record.subject.as_ref() == Some(subject));
        Ok(found)
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let mut keys = enrolled(&self.space, subject).await?;
        keys.retain(|key| Some(key) != except);
        let end = |key| {
            let (space, subject) = (Arc::clone(&self.space), subject.clone());
            async move {
                let args = [subject.as_str().as_bytes(), space.channels.as_bytes()];
                match space.change(&script::DELETE_OF, &space.record(&key), &args).await {
                    // Something else is under that key, which is nobody's session.
                    Err(error) if error.kind() == ErrorKind::Corrupt => Ok(0),
                    ended => ended,
                }
            }
        };
        // All that can be ended are, also when one fails.
        let ended: Result<Vec<i64>> = together(keys, end).await.into_iter().collect();
        Ok(ended.map_err(Error::maybe_applied)?.into_iter().filter(|ended| *ended == 1).count())
    }
}

/// The records under these keys; there may be fewer. What is not sound is left out.
pub(crate) async fn found(space: &Arc<Space>, keys: Vec<Key>) -> Result<Vec<(Key, Record)>> {
    let load = |key| {
        let space = Arc::clone(space);
        async move {
            match space.load(&key).await {
                Ok(record) => Ok(record.map(|record| (key, record))),
                Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
                Err(error) => Err(error),
            }
        }
    };
    let found: Result<Vec<_>> = together(keys, load).await.into_iter().collect();
    Ok(found?.into_iter().flatten().collect())
}

/// The keys in a user's index. Their records may be gone, or another's.
async fn enrolled(space: &Space, subject: &Subject) -> Result<Vec<Key>> {
    let mut command = redis::cmd("ZRANGE");
    let name = space.index(subject);
    command.arg(&name).arg(0).arg(-1);
    let answer = space.server.call(&name, &command).await.map_err(Fault::of_read)?;
    let members = reply::strings(answer).ok_or_else(|| Error::corrupt("an answer that is no list"))?;
    Ok(members.iter().filter_map(|member| std::str::from_utf8(member).ok()?.parse().ok()).collect())
}
