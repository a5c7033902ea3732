//! Commands run one after the other, and what became of them.

use std::path::Path;
use std::process::{Command, ExitCode};

/// A run: each command's output goes to the terminal, the outcome into a summary at the end.
pub(crate) struct Steps<'a> {
    folder: &'a Path,
    outcomes: Vec<(String, Result<(), String>)>,
}

impl<'a> Steps<'a> {
    pub(crate) fn in_folder(folder: &'a Path) -> Self {
        Self { folder, outcomes: Vec::new() }
    }

    /// Runs cargo.
    pub(crate) fn cargo(&mut self, name: &str, arguments: &[&str]) {
        self.cargo_with(name, arguments, []);
    }

    /// The same with these environment variables.
    pub(crate) fn cargo_with<'v>(
        &mut self,
        name: &str,
        arguments: &[&str],
        variables: impl IntoIterator<Item = (&'v str, &'v str)>,
    ) {
        println!("\n== {name}: cargo {}", arguments.join(" "));
        let outcome = match cargo().args(arguments).envs(variables).current_dir(self.folder).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(error.to_string()),
        };
        self.outcomes.push((name.to_owned(), outcome));
    }

    /// Runs something of our own.
    pub(crate) fn task(&mut self, name: &str, run: impl FnOnce() -> Result<(), String>) {
        println!("\n== {name}");
        let outcome = run().inspect_err(|error| println!("{error}"));
        self.outcomes.push((name.to_owned(), outcome.map_err(|_| "see above".to_owned())));
    }

    /// Prints the summary; a failure if any step failed.
    pub(crate) fn finish(self) -> ExitCode {
        let failed = self.outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count();
        println!("\n== summary");
        for (name, outcome) in &self.outcomes {
            match outcome {
                Ok(()) => println!("ok      {name}"),
                Err(why) => println!("FAILED  {name} ({why})"),
            }
        }
        println!("{} of {} steps passed", self.outcomes.len() - failed, self.outcomes.len());
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
