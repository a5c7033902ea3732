//! Engines broken on purpose, which the history checker must reject: a checker that accepts everything proves nothing.
//!
//! All faults are written into one copy of the sources, each behind a switch, so that it is built once. The engine itself
//! knows nothing of them.

mod copy;
mod list;

use std::fs;
use std::path::Path;
use std::process::Command;

use self::copy::Copy;
use self::list::{CANARIES, Canary};

/// Builds the broken engines, and sees each rejected; and the same engine, with no switch on, accepted.
///
/// # Errors
/// One line for each that was not as it should be.
pub(crate) fn run(workspace: &Path) -> Result<(), String> {
    let misplaced = misplaced(workspace);
    if !misplaced.is_empty() {
        return Err(misplaced.join("\n"));
    }
    let copy = Copy::make(workspace)?;
    for canary in CANARIES {
        let broken = format!("crate::canary({:?})", canary.name);
        copy.replace(canary.file, canary.find, &canary.replace.replace("{broken}", &broken))
            .map_err(|why| format!("{}: {why}", canary.name))?;
    }
    copy.append("lib.rs", SWITCH)?;
    let build = copy.cargo(&["--no-run"]).status().map_err(|error| format!("cargo: {error}"))?;
    if !build.success() {
        return Err("the broken engines do not compile".to_owned());
    }
    let mut wrong = Vec::new();
    for test in ["reference", "hostile"] {
        if let Err(why) = accepted(&mut checker(&copy, test)) {
            wrong.push(format!("with no fault: {why}"));
        }
    }
    for canary in CANARIES {
        match rejected(&mut checker(&copy, canary.test), canary) {
            Ok(seed) => println!("{:<4} {:<60} seed {seed}", canary.property, canary.name),
            Err(why) => wrong.push(format!("{}: {why}", canary.name)),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// The faults whose piece of text is not in its file exactly once: one line for each, and the piece.
fn misplaced(workspace: &Path) -> Vec<String> {
    let wrong = CANARIES.iter().filter_map(|Canary { name, file, find, .. }| {
        let why = match fs::read_to_string(workspace.join(copy::ENGINE).join(file)) {
            Ok(text) if text.matches(find).count() == 1 => return None,
            Ok(text) => format!("has this {} times, not once", text.matches(find).count()),
            Err(error) => error.to_string(),
        };
        Some(format!("{name}: {file}: {why}; was the code changed?\n{find}\n"))
    });
    wrong.collect()
}

/// One test of the history checker, with nothing in its environment but what is said here.
fn checker(copy: &Copy, test: &str) -> Command {
    let mut command = copy.cargo(&["--", test, "--exact"]);
    for name in ["CLOAKROOM_CANARY", "CLOAKROOM_HISTORY_SEED", "CLOAKROOM_HISTORY_PROPERTY"] {
        command.env_remove(name);
    }
    command.env("CLOAKROOM_HISTORY_SEEDS", SEEDS);
    command
}

fn accepted(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let report = String::from_utf8_lossy(&output.stdout);
    match output.status.success() && report.contains("1 passed") {
        true => Ok(()),
        false => Err(report.into_owned()),
    }
}

/// Runs the checker on a broken engine; answers the seed that gave it away.
fn rejected(command: &mut Command, canary: &Canary) -> Result<String, String> {
    command.env("CLOAKROOM_CANARY", canary.name);
    // It may violate others as well, and sooner.
    command.env("CLOAKROOM_HISTORY_PROPERTY", canary.property).env("RUST_BACKTRACE", "0");
    let output = command.output().map_err(|error| error.to_string())?;
    let report = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Err(format!("{} seeds accepted it", SEEDS));
    }
    let seed =
        report.split_once("CLOAKROOM_HISTORY_SEED=").and_then(|(_, rest)| rest.split_whitespace().next());
    match seed {
        Some(seed) if report.contains(&format!("{} does not hold", canary.property)) => Ok(seed.to_owned()),
        _ => Err(format!("not rejected for {}, but:\n{report}", canary.property)),
    }
}

/// How many seeds a fault may take to be seen.
const SEEDS: &str = "1000";

const SWITCH: &str = "
/// Whether the engine is to be broken in this way.
pub(crate) fn canary(name: &str) -> bool {
    std::env::var(\"CLOAKROOM_CANARY\").is_ok_and(|chosen| chosen == name)
}
";

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of such a piece of the engine fails here, and not only after the build of all broken engines.
    #[test]
    fn each_fault_has_its_place_in_the_engine_exactly_once() {
        let misplaced = misplaced(crate::workspace());
        assert!(misplaced.is_empty(), "{} of {}:\n{}", misplaced.len(), CANARIES.len(), misplaced.join("\n"));
    }
}
