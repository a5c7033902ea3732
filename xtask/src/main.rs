//! What a person types to test the workspace: `cargo xtask test`.

mod canaries;
mod features;
mod packages;
mod steps;

use std::path::Path;
use std::process::ExitCode;

use cloakroom_test_services::Services;
use steps::Steps;

const USAGE: &str = "\
usage: cargo xtask <command>

  test       install what the tests need (only what is missing), start the servers they share, run all of them, check
             each feature alone
  services   start the servers that tests share, and print the variables that say where, until input ends or Ctrl-C
  canaries   break the engine on purpose, and see that the history checker rejects it
  packages   print the Debian packages that the tests need, and why";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => test(),
        ["services"] => services(),
        ["canaries"] => match canaries::run(workspace()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("xtask: {error}");
                ExitCode::FAILURE
            }
        },
        ["packages"] => {
            print!("{}", packages::listing());
            ExitCode::SUCCESS
        }
        [] | ["help" | "-h" | "--help"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("xtask: unknown command: {}\n{USAGE}", arguments.join(" "));
            ExitCode::from(2)
        }
    }
}

/// Runs every step even after one failed, so that one run shows all there is to mend.
fn test() -> ExitCode {
    if let Err(error) = packages::install_missing() {
        eprintln!("xtask: {error}");
        return ExitCode::FAILURE;
    }
    let features = match features::of_each_crate(&workspace().join("crates")) {
        Ok(features) => features,
        Err(error) => {
            eprintln!("xtask: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("== starting the servers that tests share");
    let services = match Services::start() {
        Ok(services) => services,
        Err(error) => {
            eprintln!("xtask: {error}");
            return ExitCode::FAILURE;
        }
    };

    let mut steps = Steps::in_folder(workspace());
    steps.cargo_with(
        "all tests",
        &["test", "--workspace", "--all-features", "--no-fail-fast"],
        services.variables(),
    );
    drop(services);
    steps.task("broken engines are rejected", || canaries::run(workspace()));
    for (package, features) in &features {
        let alone = ["check", "--quiet", "--package", package, "--no-default-features"];
        steps.cargo(&format!("{package} without features"), &alone);
        for feature in features {
            let with = [&alone[..], &["--features", feature]].concat();
            steps.cargo(&format!("{package} with `{feature}` alone"), &with);
        }
    }
    steps.finish()
}

/// For whoever runs tests one by one: started once, they need not be started for each run.
fn services() -> ExitCode {
    if let Err(error) = packages::install_missing() {
        eprintln!("xtask: {error}");
        return ExitCode::FAILURE;
    }
    let program = ["run", "--quiet", "--package", "cloakroom-test-services"];
    match steps::cargo().args(program).current_dir(workspace()).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The root of the workspace, wherever the command is typed.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}
