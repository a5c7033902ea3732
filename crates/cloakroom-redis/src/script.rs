//! The Lua scripts, and how one is sent: by its hash, which the server knows from the first time.

use std::sync::LazyLock;

use redis::Cmd;

/// A script that changes one key.
#[derive(Debug)]
pub(crate) struct Script {
    source: &'static str,
    hash: String,
}

/// A script of these files, one after the other.
macro_rules! script {
    ($($file:literal),+) => {
        LazyLock::new(|| Script::new(concat!($(include_str!(concat!("scripts/", $file, ".lua"))),+)))
    };
}

pub(crate) static CREATE: LazyLock<Script> = script!("create");
pub(crate) static REPLACE: LazyLock<Script> = script!("replacing", "replace");
pub(crate) static TOUCH: LazyLock<Script> = script!("touch");
pub(crate) static DELETE: LazyLock<Script> = script!("leases", "delete");
pub(crate) static ACQUIRE: LazyLock<Script> = script!("leases", "acquire");
pub(crate) static RENEW: LazyLock<Script> = script!("leases", "renew");
pub(crate) static RELEASE: LazyLock<Script> = script!("leases", "release");
pub(crate) static REPLACE_AND_RELEASE: LazyLock<Script> =
    script!("leases", "replacing", "replace_and_release");
pub(crate) static WAIT: LazyLock<Script> = script!("leases", "wait");
pub(crate) static LEAVE: LazyLock<Script> = script!("leases", "leave");
pub(crate) static ENROLL: LazyLock<Script> = script!("enroll");
pub(crate) static DELETE_OF: LazyLock<Script> = script!("leases", "delete_of");

impl Script {
    fn new(source: &'static str) -> Self {
        Self { source, hash: redis::Script::new(source).get_hash().to_owned() }
    }

    /// Runs the script if the server knows it, and else does nothing (`NOSCRIPT`).
    pub(crate) fn by_hash(&self, key: &str, args: &[&[u8]]) -> Cmd {
        command("EVALSHA", &self.hash, key, args)
    }

    /// Runs the script, which the server knows from then on.
    pub(crate) fn by_source(&self, key: &str, args: &[&[u8]]) -> Cmd {
        command("EVAL", self.source, key, args)
    }
}

fn command(name: &str, script: &str, key: &str, args: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(1).arg(key).arg(args);
    command
}
