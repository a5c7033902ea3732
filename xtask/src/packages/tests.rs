use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

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

#[test]
fn packages_start_no_services_while_they_are_installed_and_may_afterwards() {
    let machine = machine("sh $POLICY; echo \"policy says $?\"; test -x $POLICY || echo 'not executable'");
    let said = install_on(&machine, &["redis-server", "memcached"]);
    assert!(said.contains("policy says 101") && !said.contains("not executable"), "{said}");
    assert!(said.contains("apt-get install --yes --no-install-recommends redis-server memcached"), "{said}");
    assert!(!policy(&machine).exists());
}

#[test]
fn the_policy_of_the_machine_stays_as_it_is() {
    let machine = machine("sh $POLICY; echo \"policy says $?\"");
    fs::write(policy(&machine), "exit 104").unwrap();
    let said = install_on(&machine, &["memcached"]);
    assert!(said.contains("policy says 104"), "{said}");
    assert_eq!(fs::read_to_string(policy(&machine)).unwrap(), "exit 104");
}

#[test]
fn an_installation_that_fails_or_is_interrupted_puts_everything_back() {
    for end in ["exit 100", "kill -TERM $PPID"] {
        let machine = machine(end);
        let said = install_on(&machine, &["memcached"]);
        assert!(said.contains("failed") && !said.contains("apt-get install"), "{said}");
        assert!(!policy(&machine).exists(), "{end}");
    }
}

/// A folder with an `apt-get` of our own, which says how it was called, and then does this.
fn machine(apt_get: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("apt-get");
    fs::write(&program, format!("#!/bin/sh\necho apt-get \"$@\"\n{apt_get}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn policy(machine: &TempDir) -> std::path::PathBuf {
    machine.path().join("policy-rc.d")
}

/// What the script says there.
fn install_on(machine: &TempDir, packages: &[&str]) -> String {
    let path = format!("{}:{}", machine.path().display(), std::env::var("PATH").unwrap());
    let policy: &Path = &policy(machine);
    let output = Command::new("sh")
        .args(["-c", INSTALL, "install"])
        .arg(policy)
        .args(packages)
        .env("PATH", path)
        .env("POLICY", policy)
        .output()
        .unwrap();
    let failed = if output.status.success() { "" } else { "failed" };
    String::from_utf8(output.stdout).unwrap() + failed
}
