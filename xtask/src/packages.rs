//! The Debian packages that the tests need.

use std::fmt::Write;
use std::process::{Command, Stdio};

use cloakroom_test_services::find_program;

/// A package, the program by which we see that it is there, and why a test needs it.
struct Package {
    name: &'static str,
    program: &'static str,
    reason: &'static str,
}

/// A package is listed here with the test that needs it, never before.
const NEEDED: &[Package] = &[
    Package {
        name: "curl",
        program: "curl",
        reason: "an HTTP client that is not ours: the demo's plain-text routes, with a cookie jar",
    },
    Package { name: "procps", program: "kill", reason: "signals to the processes that the tests start" },
    Package {
        name: "chromium",
        program: "chromium",
        reason: "a browser that is not ours: the demo's pages as a visitor uses them, and the cookie as it is kept",
    },
    Package { name: "chromium-driver", program: "chromedriver", reason: "tells Chromium what to do" },
    Package {
        name: "redis-server",
        program: "redis-server",
        reason: "private servers for the store on Redis: one alone, a cluster, a primary with its replica",
    },
    Package { name: "redis-sentinel", program: "redis-sentinel", reason: "watches that primary" },
    Package { name: "redis-tools", program: "redis-cli", reason: "makes that cluster" },
    Package {
        name: "postgresql",
        program: "postgres",
        reason: "a private server for the store on PostgreSQL, and psql to set it up",
    },
    Package {
        name: "mariadb-server",
        program: "mariadbd",
        reason: "a private server for the store on MySQL and MariaDB, and a client to set it up",
    },
    Package {
        name: "openssl",
        program: "openssl",
        reason: "a certificate of our own, for the store on Redis over TLS",
    },
    Package { name: "memcached", program: "memcached", reason: "private servers for the store on memcached" },
];

/// What `cargo xtask packages` prints.
pub(crate) fn listing() -> String {
    NEEDED.iter().fold(String::new(), |mut text, package| {
        let state = if is_there(package) { "there" } else { "missing" };
        let _ = writeln!(text, "{:<16} {state:<8} {}", package.name, package.reason);
        text
    })
}

/// Installs the packages that are missing; does not touch the network when none is.
///
/// # Errors
/// One line to show: what is missing, and what to type where we may not or cannot install it.
pub(crate) fn install_missing() -> Result<(), String> {
    let missing: Vec<&str> =
        NEEDED.iter().filter(|package| !is_there(package)).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("== installing what the tests need: {}", missing.join(" "));
    install(&missing).map_err(|why| {
        format!("the tests need {0} ({why}); install by hand: apt-get install {0}", missing.join(" "))
    })
}

/// A program that did not come from a package counts as well.
fn is_there(package: &Package) -> bool {
    find_program(package.program).is_some()
}

fn install(packages: &[&str]) -> Result<(), String> {
    let privileges = privileges()?;
    let script = ["sh", "-c", INSTALL, "install", "/usr/sbin/policy-rc.d"];
    let command = [privileges, &script, packages].concat();
    let status = Command::new(command[0])
        .args(&command[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("{}: {error}", command[0]))?;
    if status.success() { Ok(()) } else { Err(format!("apt-get failed: {status}")) }
}

const INSTALL: &str = include_str!("install.sh");

/// What to put before `apt-get`: nothing for root, `sudo -n` where that asks no question.
fn privileges() -> Result<&'static [&'static str], String> {
    let answer = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()
    };
    if answer("id", &["-u"]).is_some_and(|output| output.stdout == b"0\n") {
        return Ok(&[]);
    }
    if answer("sudo", &["-n", "true"]).is_some_and(|output| output.status.success()) {
        // Past sudo the environment is gone; apt-get is told again.
        return Ok(&["sudo", "-n", "DEBIAN_FRONTEND=noninteractive"]);
    }
    Err("we are not root, and sudo would ask for a password".to_owned())
}

#[cfg(test)]
mod tests;
