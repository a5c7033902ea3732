//! The `cloakroom` command.

mod config;
mod demo;
mod options;
mod output;
mod pages;

use std::io;
use std::process::ExitCode;

use options::{Command, Stop};
use output::say;

fn main() -> ExitCode {
    let outcome = match options::parse(std::env::args_os()) {
        Ok(Command::Demo(options)) => demo::run(options),
        Err(Stop::Asked(text)) => {
            say(io::stdout(), &text);
            Ok(())
        }
        Err(Stop::Wrong(complaint)) => Err(complaint),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            // File names may hold anything, and one line was promised.
            let complaint = complaint.replace(char::is_control, " ");
            say(io::stderr(), &format!("cloakroom: {complaint}\n"));
            ExitCode::from(2)
        }
    }
}
