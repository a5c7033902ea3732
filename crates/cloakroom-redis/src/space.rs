//! Everything of one store in Redis: its server, and the names of its keys.

use cloakroom_store::{Error, Key, Record, Result, Subject};
use redis::Value;

use crate::error::Fault;
use crate::script::Script;
use crate::server::Server;
use crate::{fields, reply};

/// One namespace on one server.
pub(crate) struct Space {
    pub(crate) server: Server,
    prefix: String,
    /// What the names of all channels begin with.
    pub(crate) channels: String,
    /// This store among all that share the records: 16 characters.
    pub(crate) instance: String,
}

impl Space {
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
        let digits = name.strip_prefix(self.prefix.as_bytes())?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// The name of a user's index. It ends like no record's does, whatever the prefixes and users.
    pub(crate) fn index(&self, subject: &Subject) -> String {
        format!("{}user:{}:", self.prefix, subject.as_str())
    }

    /// The name of this store's channel.
    pub(crate) fn channel(&self) -> String {
        format!("{}{}", self.channels, self.instance)
    }

    /// The last arguments of scripts that end leases: the channels' prefix, and whether there is only this server.
    pub(crate) fn calling(&self) -> [&[u8]; 2] {
        let alone = if self.server.as_cluster().is_some() { b"0" } else { b"1" };
        [self.channels.as_bytes(), alone]
    }

    /// Runs a script that changes something.
    pub(crate) async fn run(&self, script: &Script, key: &str, args: &[&[u8]]) -> Result<Value> {
        self.server.run(script, key, args).await.map_err(Fault::of_write)
    }

    /// Runs a script that changes something and answers with a number.
    pub(crate) async fn change(&self, script: &Script, key: &str, args: &[&[u8]]) -> Result<i64> {
        let answer = self.run(script, key, args).await?;
        reply::number(&answer).ok_or_else(|| Error::maybe_applied("an answer that is no number"))
    }

    /// The record under `key`.
    pub(crate) async fn load(&self, key: &Key) -> Result<Option<Record>> {
        let mut command = redis::cmd("HMGET");
        let name = self.record(key);
        command.arg(&name).arg(&fields::FIELDS);
        let answer = self.server.call(&name, &command).await.map_err(Fault::of_read)?;
        let fields = reply::values(answer).ok_or_else(|| Error::corrupt("an answer to another question"))?;
        fields::record(key, fields)
    }
}
