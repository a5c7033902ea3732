//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};
use cloakroom::Locking;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;

use cloakroom_cli::store::StoreUrl;

/// Server-side HTTP sessions: tools and a site to try them on.
#[derive(Debug, Parser)]
#[command(name = "cloakroom", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, PartialEq, Subcommand)]
pub(crate) enum Command {
    /// Start a site that shows every visitor their own session.
    Demo(Demo),
}

/// What the demo can be told. Options win over the configuration file.
#[derive(Debug, PartialEq, Args)]
pub(crate) struct Demo {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen)]
    pub(crate) listen: SocketAddr,
    /// Where to keep sessions: redb:PATH (an embedded file), file:FOLDER (a file each), sqlite:PATH, redis://HOST, redis+sentinel://HOST/MASTER, redis+cluster://HOST, postgres://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE, memcached://HOST, or memory.
    #[arg(long, value_name = "STORE", default_value = "redb:./cloakroom-demo.redb")]
    pub(crate) store: StoreUrl,
    /// End a session after this time without a request, such as 30m.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) idle_timeout: Option<Duration>,
    /// End a session after this time in any case, such as 12h.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) absolute_timeout: Option<Duration>,
    /// Who has a session to itself: by_method, implicit, early or explicit.
    #[arg(long, value_name = "MODE", value_parser = locking)]
    pub(crate) locking: Option<Locking>,
    /// Let the cookie travel over plain HTTP, for anybody on the way to read.
    #[arg(long)]
    pub(crate) danger_allow_plain_http: bool,
    /// Read settings from this TOML file, table sessions.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, like 127.0.0.1:8080 or [::1]:8080".to_owned())
}

/// The names are those of the configuration file.
fn locking(text: &str) -> Result<Locking, ValueError> {
    Locking::deserialize(text.into_deserializer())
}

/// Why no command is run.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Help or the version was asked for: the text to print.
    Asked(String),
    /// The command line is wrong: one line that says what, and how to mend it.
    Wrong(String),
}

/// Reads a command line, the program's name first.
pub(crate) fn parse(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Command, Stop> {
    match CommandLine::try_parse_from(arguments) {
        Ok(line) => Ok(line.command),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Err(Stop::Asked(error.to_string()))
        }
        Err(error) => Err(Stop::Wrong(in_one_line(&error))),
    }
}

/// clap explains over several lines; ours is one, for logs and for people in a hurry.
fn in_one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "say what to run: `cloakroom demo`; `cloakroom --help` lists all".to_owned();
    }
    let text = error.to_string();
    // The first paragraph; a value with a newline in it is part of that.
    let what = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    match suggestion(error) {
        Some(name) => format!("{what}; did you mean {name}?"),
        None => format!("{what}; `cloakroom demo --help` shows what there is"),
    }
}

fn suggestion(error: &clap::Error) -> Option<&str> {
    [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| match error.get(kind)? {
            ContextValue::String(name) => Some(name.as_str()),
            ContextValue::Strings(names) => names.first().map(String::as_str),
            _ => None,
        })
}

#[cfg(test)]
mod tests;
