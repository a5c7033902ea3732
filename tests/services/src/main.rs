//! Starts all servers that tests share, says where they are, and ends them when its standard input ends or it is killed.

use std::io::{self, Read};
use std::process::ExitCode;

use cloakroom_test_services::Services;

fn main() -> ExitCode {
    let services = match Services::start() {
        Ok(services) => services,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    for (variable, url) in services.variables() {
        println!("export {variable}={url}");
    }
    println!("# all of them run until this ends");
    let _ = io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}
