//! Everything of one store in Redis: its server, the names of its keys, and calls on one key or on many.

use std::sync::Arc;

use cloakroom_store::codec::strip_prefix;
use cloakroom_store::{Error, ErrorKind, Key, Record, Result, Subject};
use redis::Value;
use tokio::task::JoinSet;

use crate::error::Fault;
use crate::script::Script;
use crate::server::Server;
use crate::{record_fields, reply};

/// One namespace on one server.
pub(crate) struct Keyspace {
    pub(crate) server: Server,
    prefix: String,
    /// What the names of all channels begin with.
    pub(crate) channels: String,
    /// This store among all that share the records: 16 characters.
    pub(crate) instance: String,
}

impl Keyspace {
    pub(crate) fn new(server: Server, prefix: String, instance: String) -> Self {
        let channels = format!("{prefix}wake:");
        Self { server, prefix, channels, instance }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The name of a record's hash: the prefix, and the key in hexadecimal digits.
    pub(crate) fn record(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The key that is in the name of a record's hash.
    pub(crate) fn key_of(&self, name: &[u8]) -> Option<Key> {
        key(name.strip_prefix(self.prefix.as_bytes())?)
    }

    /// The name of a user's index. It ends like no record's does, whatever the prefixes and users.
    pub(crate) fn index(&self, subject: &Subject) -> String {
        format!("{}user:{}:", self.prefix, subject.as_str())
    }

    /// The name of this store's channel.
    pub(crate) fn channel(&self) -> String {
        format!("{}{}", self.channels, self.instance)
    }

    /// The name of the channel of all stores that share the records.
    pub(crate) fn changes(&self) -> String {
        format!("{}changed", self.prefix)
    }

    /// The last arguments of scripts that end leases: the channels' prefix, and whether there is only this server.
    pub(crate) fn calling(&self) -> [&[u8]; 2] {
        let alone = if self.server.as_cluster().is_some() { b"0" } else { b"1" };
        [self.channels.as_bytes(), alone]
    }

    /// Runs a script that changes nothing.
    pub(crate) async fn read(&self, script: &Script, name: &str, args: &[&[u8]]) -> Result<Value> {
        self.server.run(script, name, args).await.map_err(Fault::of_read)
    }

    /// Runs a script that changes something under this name.
    pub(crate) async fn run(&self, script: &Script, name: &str, args: &[&[u8]]) -> Result<Value> {
        self.server.run(script, name, args).await.map_err(Fault::of_write)
    }

    /// Runs a script that changes a record and returns a number, or the first bytes of what is no record of this key.
    pub(crate) async fn change(&self, script: &Script, key: &Key, args: &[&[u8]]) -> Result<i64> {
        match self.run(script, &self.record(key), args).await? {
            Value::Int(number) => Ok(number),
            Value::BulkString(prefix) => Err(not_a_record(key, &prefix)),
            _ => Err(Error::maybe_applied("a reply that is no number")),
        }
    }

    /// The record under `key`.
    pub(crate) async fn load(&self, key: &Key) -> Result<Option<Record>> {
        let fields = self.fields(key, record_fields::FIELDS).await?;
        record_fields::record(key, fields)
    }

    /// Some fields of the record under `key`.
    pub(crate) async fn fields<const N: usize>(&self, key: &Key, names: [&str; N]) -> Result<[Value; N]> {
        let mut command = redis::cmd("HMGET");
        let name = self.record(key);
        command.arg(&name).arg(&names);
        let reply = self.server.call(&name, &command).await.map_err(Fault::of_read)?;
        reply::values(reply).ok_or_else(|| Error::corrupt("a reply to another command"))
    }
}

/// The error of a record whose bytes begin like this, and not like a record of this key and version.
pub(crate) fn not_a_record(key: &Key, prefix: &[u8]) -> Error {
    strip_prefix(key, prefix).err().unwrap_or_else(|| Error::corrupt("not a record of this key"))
}

/// Whether the record itself, and not the server, is why it cannot be read.
pub(crate) fn cannot_be_read(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Corrupt | ErrorKind::UnknownVersion)
}

/// A key in hexadecimal digits.
pub(crate) fn key(digits: &[u8]) -> Option<Key> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Makes a call for each key and returns the results in no particular order. Some calls are under way at the same time: in a cluster
/// they go to different nodes, and on one connection they follow each other without waiting. All are made even if some fail.
pub(crate) async fn for_each_key<T, F>(
    keyspace: &Arc<Keyspace>,
    keys: Vec<Key>,
    call: impl Fn(Arc<Keyspace>, Key) -> F,
) -> Vec<Result<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut keys = keys.into_iter();
    let mut calls = JoinSet::new();
    let mut results = Vec::with_capacity(keys.len());
    loop {
        while calls.len() < AT_ONCE
            && let Some(key) = keys.next()
        {
            calls.spawn(call(Arc::clone(keyspace), key));
        }
        match calls.join_next().await {
            Some(result) => results.push(result.unwrap_or_else(|stopped| Err(Error::unavailable(stopped)))),
            None => return results,
        }
    }
}

/// As [`for_each_key`] for calls that read. Records that are damaged or of a later version are left out.
///
/// # Errors
/// The first failure, if any call fails otherwise.
pub(crate) async fn read_each_key<T, F>(
    keyspace: &Arc<Keyspace>,
    keys: Vec<Key>,
    read: impl Fn(Arc<Keyspace>, Key) -> F,
) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<Option<T>>> + Send + 'static,
{
    let mut found = Vec::with_capacity(keys.len());
    for result in for_each_key(keyspace, keys, read).await {
        match result {
            Ok(read) => found.extend(read),
            Err(error) if cannot_be_read(error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

const AT_ONCE: usize = 64;
