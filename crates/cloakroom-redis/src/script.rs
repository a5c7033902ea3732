//! The Lua scripts, and how one is sent: by its hash, which the server knows from the first time.

use std::ops::Range;
use std::sync::LazyLock;

use cloakroom_store::codec::PREFIX_LEN;
use cloakroom_store::{Claim, Record};
use redis::Cmd;

/// A script that works on one key.
#[derive(Debug)]
pub(crate) struct Script {
    source: String,
    hash: String,
}

/// A script of these files, one after the other.
macro_rules! script {
    ($($file:literal),+) => {
        LazyLock::new(|| Script::new(concat!($(include_str!(concat!("scripts/", $file, ".lua"))),+)))
    };
}

pub(crate) static CREATE: LazyLock<Script> = script!("create");
pub(crate) static REPLACE: LazyLock<Script> = script!("records", "replace");
pub(crate) static TOUCH: LazyLock<Script> = script!("records", "touch");
pub(crate) static DELETE: LazyLock<Script> = script!("leases", "delete");
pub(crate) static ACQUIRE: LazyLock<Script> = script!("records", "leases", "acquire");
pub(crate) static RENEW: LazyLock<Script> = script!("leases", "renew");
pub(crate) static RELEASE: LazyLock<Script> = script!("leases", "release");
pub(crate) static REPLACE_AND_RELEASE: LazyLock<Script> = script!("records", "leases", "replace_and_release");
pub(crate) static WAIT: LazyLock<Script> = script!("leases", "wait");
pub(crate) static LEAVE: LazyLock<Script> = script!("leases", "leave");
pub(crate) static ENROLL: LazyLock<Script> = script!("records", "enroll");
pub(crate) static LIST: LazyLock<Script> = script!("list");
pub(crate) static LIST_ENTRY: LazyLock<Script> = script!("records", "list_entry");
pub(crate) static DELETE_OF: LazyLock<Script> = script!("leases", "delete_of");

impl Script {
    /// Each script begins with the numbers that it shares with the contract.
    fn new(files: &str) -> Self {
        let margin = Record::NATIVE_EXPIRY_MARGIN.as_millis();
        let tolerance = Claim::TOLERANCE.as_millis();
        let Range { start, end } = Claim::GUARD;
        let source = format!(
            "local PREFIX_LEN, GUARD_START, GUARD_END = {PREFIX_LEN}, {start}, {end}\n\
             local MARGIN, TOLERANCE = {margin}, {tolerance}\n{files}"
        );
        Self { hash: redis::Script::new(&source).get_hash().to_owned(), source }
    }

    /// Runs the script if the server knows it, and else does nothing (`NOSCRIPT`).
    pub(crate) fn by_hash(&self, key: &str, args: &[&[u8]]) -> Cmd {
        command("EVALSHA", &self.hash, key, args)
    }

    /// Runs the script, which the server knows from then on.
    pub(crate) fn by_source(&self, key: &str, args: &[&[u8]]) -> Cmd {
        command("EVAL", &self.source, key, args)
    }
}

fn command(name: &str, script: &str, key: &str, args: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(1).arg(key).arg(args);
    command
}
