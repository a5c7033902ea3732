//! What can go wrong: at the start ([`OpenError`]), and in a call (the contract's error, made of the driver's).

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cloakroom_store::{Error, ErrorKind};
use sqlx::Database;
use sqlx::error::DatabaseError;

/// Why a store could not be opened, or its table not be made. One line says what to do; nothing that was
/// there was changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The name is none that a table may have.
    InvalidTable {
        /// The name.
        table: String,
    },
    /// The URL, or the path, cannot be used.
    InvalidUrl {
        /// What is wrong with it. The URL itself may hold a password and is not shown.
        reason: String,
    },
    /// The database cannot be reached, or does not let us in.
    Connect {
        /// Where it was looked for, without user and password.
        place: String,
        /// What it said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The file cannot be opened, or made.
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite, or the operating system, said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// There is a table of this name, and it is not one of cloakroom's.
    Foreign {
        /// The table.
        table: String,
    },
    /// The table was made by a later version of this crate.
    Version {
        /// The table.
        table: String,
        /// The version it has.
        found: u32,
    },
    /// The table was made, and an index of it was not: something else has its name.
    Unindexed {
        /// The table.
        table: String,
        /// The column that is without one.
        column: String,
    },
    /// The table could not be made or looked at.
    Migrate {
        /// The table.
        table: String,
        /// What the database said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The database is a version that is known to lose data.
    Unsafe {
        /// Which one, and which one to use instead.
        reason: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidTable { table } => write!(
                f,
                "{table:?} is no name for a table: use up to {} ASCII letters, digits and underscores, and perhaps a \
                 schema and a dot before them",
                crate::table::MAX_PART
            ),
            Self::InvalidUrl { reason } => write!(f, "the database URL cannot be used: {reason}"),
            Self::Connect { place, source } => {
                write!(
                    f,
                    "cannot connect to {place}: {source}; is it running, and are the user and password right?"
                )
            }
            Self::Open { path, source } => write!(
                f,
                "cannot open the session file {}: {source}; name an SQLite file, or a new one, in a folder that this \
                 program may write to",
                path.display()
            ),
            Self::Foreign { table } => write!(
                f,
                "the table {table} is not one of cloakroom's and has been left as it is: choose another name"
            ),
            Self::Version { table, found } => write!(
                f,
                "the table {table} has format version {found}, which this version of cloakroom-sqlx does not know: \
                 update it"
            ),
            Self::Unindexed { table, column } => write!(
                f,
                "the table {table} has no index over {column}, without which a purge or a sign-out reads all of it: make \
                 the one in schema(), under another name if something has its name"
            ),
            Self::Migrate { table, source } => write!(
                f,
                "cannot make the table {table}: {source}; let a user who may create tables run migrate(), or the \
                 statements of schema()"
            ),
            Self::Unsafe { reason } => f.write_str(reason),
        }
    }
}

/// Without a `source()`: the message has it in its place, and whoever prints both would print it twice.
impl StdError for OpenError {}

impl OpenError {
    pub(crate) fn connect(place: String, failure: impl fmt::Display) -> Self {
        Self::Connect { place, source: failure.to_string().into() }
    }
}

/// What each database has of its own to tell the driver's errors apart.
pub(crate) trait Dialect: Database {
    /// What the database means by an error that it answered.
    fn refusal(error: &dyn DatabaseError) -> Refusal;

    /// Ends the transaction that a connection is in, or fails; succeeds without a word if there is none.
    const END_TRANSACTION: &'static str;

    /// Makes the server give up on a connection of our own before this deadline does: otherwise it would go on with what
    /// nobody waits for any more, and what became of it would not be known.
    fn limits(deadline: Duration) -> Option<String>;
}

/// What a database means by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The statement had no effect: there is a row with this key.
    Exists,
    /// The statement had no effect: there is no room.
    Full,
    /// The statement had no effect: it is larger than what is taken.
    TooLarge,
    /// The statement had no effect, and may work another time.
    NotNow,
    /// The statement had no effect, and may work on another connection: this one leads to a server that cannot change
    /// anything, or knows the statement in an old form.
    NotHere,
    /// The statement had no effect: there is no table.
    NoTable,
    /// The connection ends with this error; whether the statement had an effect is not known.
    Lost,
    /// The statement had no effect, for another reason.
    Other,
}

/// A statement that was not answered as it should.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether anything of the statement was, or may have been, sent.
    pub(crate) sent: bool,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Driver { refusal: Option<Refusal>, text: String },
    Deadline(Duration),
}

impl Failure {
    pub(crate) fn of<DB: Dialect>(sent: bool, error: &sqlx::Error) -> Self {
        Self { sent, cause: Cause::Driver { refusal: refusal::<DB>(error), text: describe::<DB>(error) } }
    }

    pub(crate) fn late(sent: bool, deadline: Duration) -> Self {
        Self { sent, cause: Cause::Deadline(deadline) }
    }

    /// Whether the connection failed, and not the statement on it.
    pub(crate) fn lost_connection(&self) -> bool {
        matches!(self.cause, Cause::Driver { refusal: None | Some(Refusal::Lost), .. })
    }

    /// Whether the same may work another time.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.cause, Cause::Driver { refusal: Some(Refusal::NotNow | Refusal::NotHere), .. })
    }

    /// The error of a call that changes nothing.
    pub(crate) fn of_read(self) -> Error {
        Error::unavailable(self.to_string())
    }

    /// The error of a call that changes something.
    pub(crate) fn of_write(self) -> Error {
        let text = self.to_string();
        match self.cause {
            _ if !self.sent => Error::unavailable(text),
            Cause::Deadline(_) | Cause::Driver { refusal: None | Some(Refusal::Lost), .. } => {
                Error::maybe_applied(text)
            }
            Cause::Driver { refusal: Some(refusal), .. } => match refusal {
                // What the database says then may contain the key.
                Refusal::Exists => Error::exists(),
                Refusal::Full => Error::new(ErrorKind::Full).because(text),
                Refusal::TooLarge => Error::new(ErrorKind::TooLarge).because(text),
                Refusal::NotNow | Refusal::NotHere => Error::unavailable(text),
                Refusal::NoTable | Refusal::Other | Refusal::Lost => {
                    Error::new(ErrorKind::Other).because(text)
                }
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Driver { text, .. } => f.write_str(text),
            Cause::Deadline(deadline) if self.sent => write!(f, "no answer within {deadline:?}"),
            Cause::Deadline(deadline) => write!(f, "no connection within {deadline:?}"),
        }
    }
}

impl StdError for Failure {}

/// What the database means, if it is the database that speaks.
pub(crate) fn refusal<DB: Dialect>(error: &sqlx::Error) -> Option<Refusal> {
    error.as_database_error().map(DB::refusal)
}

/// What went wrong, in one line without anything that was stored: what the driver's `Debug` shows beside it may be
/// a row.
pub(crate) fn describe<DB: Dialect>(error: &sqlx::Error) -> String {
    let Some(said) = error.as_database_error() else { return error.to_string() };
    let code = said.code().unwrap_or_default();
    match DB::refusal(said) {
        Refusal::Exists => format!("a row with this key exists ({code})"),
        Refusal::NoTable => format!("{} ({code}): call migrate() once", said.message()),
        _ => format!("{} ({code})", said.message()),
    }
}
