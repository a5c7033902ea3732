//! The Debian packages that the tests need.

use std::fmt::Write;
use std::process::{Command, Stdio};

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

/// Looks along `PATH`, so that a program that did not come from a package counts as well.
fn is_there(package: &Package) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(package.program).is_file())
}

fn install(packages: &[&str]) -> Result<(), String> {
    let privileges = privileges()?;
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    // A fresh machine has no package lists; an old list names files that are gone. So: update, then install.
    for arguments in [&["update", "--quiet"][..], &install] {
        let command = [privileges, &["apt-get"], arguments].concat();
        let status = Command::new(command[0])
            .args(&command[1..])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .status()
            .map_err(|error| format!("{}: {error}", command.join(" ")))?;
        if !status.success() {
            return Err(format!("`{}` failed: {status}", command.join(" ")));
        }
    }
    Ok(())
}

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
mod tests {
    use super::*;

    #[test]
    fn a_program_on_the_path_is_seen_and_another_is_not() {
        let package = |program| Package { name: "", program, reason: "" };
        assert!(is_there(&package("sh")));
        assert!(!is_there(&package("no-such-program-anywhere")));
    }

    #[test]
    fn every_package_says_why_it_is_needed() {
        for package in NEEDED {
            assert!(!package.reason.is_empty(), "{} has no reason", package.name);
        }
    }
}
