//! The `cloakroom` command.

mod config;
mod demo;
mod options;
mod pages;
mod store;

use std::process::ExitCode;

use options::{Command, Stop};

fn main() -> ExitCode {
    let outcome = match options::parse(std::env::args_os()) {
        Ok(Command::Demo(options)) => demo::run(options),
        Err(Stop::Asked(text)) => {
            print!("{text}");
            Ok(())
        }
        Err(Stop::Wrong(complaint)) => Err(complaint),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("cloakroom: {complaint}");
            ExitCode::from(2)
        }
    }
}
