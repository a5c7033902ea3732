//! What a database says when a statement fails, and what that means for the caller.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use cloakroom_store::{Error, ErrorKind, OpenError};
use sqlx::Database;
use sqlx::error::DatabaseError;

/// What differs between the databases in how connections and errors are handled.
pub(crate) trait Dialect: Database {
    /// Classifies an error that the database returned.
    fn refusal(error: &dyn DatabaseError) -> Refusal;

    /// How many rows a statement changed or, in MySQL, found.
    fn rows_affected(result: &Self::QueryResult) -> u64;

    /// Ends the transaction that a connection is in, or fails. Succeeds without a warning if there is none.
    const END_TRANSACTION: &'static str;

    /// A statement that makes the server give up on a statement of an own connection before `deadline` ends. Otherwise the
    /// server would go on with a call that has already failed, and the outcome of a write would not be known.
    fn limits(deadline: Duration) -> Option<String>;
}

/// The meaning of an error that a database returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The statement had no effect: a row with this key exists.
    Exists,
    /// The statement had no effect: there is no room.
    Full,
    /// The statement had no effect: it is larger than the database accepts.
    TooLarge,
    /// The statement had no effect, and may succeed later.
    NotNow,
    /// The statement had no effect, and may succeed on another connection: this one leads to a server that cannot write, or
    /// knows the statement in an old form.
    NotHere,
    /// The statement had no effect: the table, or its schema, does not exist.
    NoTable,
    /// The statement had no effect: the user or the process lacks the right to do this.
    NoRights,
    /// There is no connection: the server rejects the user, the password or the name of the database.
    NoLogin,
    /// The connection ends with this error; whether the statement had an effect is not known.
    Lost,
    /// The statement had no effect, for another reason.
    Other,
}

/// A statement that failed, or that got no reply in time.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether the statement, or a part of it, was sent.
    pub(crate) sent: bool,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Driver { refusal: Option<Refusal>, text: String },
    Deadline(Duration),
}

impl Failure {
    pub(crate) fn new<DB: Dialect>(sent: bool, error: &sqlx::Error) -> Self {
        Self { sent, cause: Cause::Driver { refusal: refusal::<DB>(error), text: describe::<DB>(error) } }
    }

    pub(crate) fn late(sent: bool, deadline: Duration) -> Self {
        Self { sent, cause: Cause::Deadline(deadline) }
    }

    pub(crate) fn other(text: &str) -> Self {
        Self { sent: true, cause: Cause::Driver { refusal: Some(Refusal::Other), text: text.to_owned() } }
    }

    /// Whether the connection failed, and not the statement on it.
    pub(crate) fn lost_connection(&self) -> bool {
        matches!(self.cause, Cause::Driver { refusal: None | Some(Refusal::Lost), .. })
    }

    /// The error of a call that changes nothing.
    pub(crate) fn of_read(self) -> Error {
        match self.refusal() {
            Some(Refusal::NoTable | Refusal::NoRights) => Error::refused(self),
            _ => Error::unavailable(self),
        }
    }

    /// The error of a call that changes something.
    pub(crate) fn of_write(self) -> Error {
        match self.refusal() {
            Some(Refusal::NoTable | Refusal::NoRights) => Error::refused(self),
            _ if !self.sent => Error::unavailable(self),
            None | Some(Refusal::Lost) => Error::maybe_applied(self),
            // The message of the database can contain the key.
            Some(Refusal::Exists) => Error::exists(),
            Some(Refusal::Full) => Error::full(self),
            Some(Refusal::TooLarge) => Error::new(ErrorKind::TooLarge).because(self),
            Some(Refusal::NotNow | Refusal::NotHere | Refusal::NoLogin) => Error::unavailable(self),
            Some(Refusal::Other) => Error::new(ErrorKind::Other).because(self),
        }
    }

    /// The error of connecting. `message` names what failed; this adds what to change.
    pub(crate) fn of_connect(self, message: impl fmt::Display) -> OpenError {
        self.of_open(message, CHECK_LOGIN)
    }

    /// The error of creating a table. `message` names what failed; this adds what to change.
    pub(crate) fn of_migrate(self, message: impl fmt::Display) -> OpenError {
        self.of_open(message, "let a user who may create tables run migrate(), or the statements of schema()")
    }

    fn of_open(self, message: impl fmt::Display, without_rights: &str) -> OpenError {
        let error = match self.refusal() {
            Some(Refusal::NoLogin) => OpenError::refused(format!("{message}: {CHECK_LOGIN}")),
            Some(Refusal::NoTable | Refusal::NoRights) => {
                OpenError::refused(format!("{message}: {without_rights}"))
            }
            None | Some(Refusal::Lost | Refusal::NotNow | Refusal::NotHere) => {
                OpenError::unavailable(format!("{message}: check that the database is running and reachable"))
            }
            Some(Refusal::Full) => OpenError::refused(format!("{message}: make room for it")),
            Some(Refusal::Exists | Refusal::TooLarge | Refusal::Other) => {
                OpenError::other(message.to_string())
            }
        };
        error.because(self)
    }

    /// What the database said; `None` if it was something else that failed, or nothing was said in time.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self.cause {
            Cause::Driver { refusal, .. } => refusal,
            Cause::Deadline(_) => None,
        }
    }
}

const CHECK_LOGIN: &str = "check user, password and database in the URL, and the user's rights";

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Driver { text, .. } => f.write_str(text),
            Cause::Deadline(deadline) if self.sent => write!(f, "no reply within {deadline:?}"),
            Cause::Deadline(deadline) => write!(f, "no connection within {deadline:?}"),
        }
    }
}

impl StdError for Failure {}

/// Classifies an error that came from the database itself; `None` for any other, after which the connection is unusable.
pub(crate) fn refusal<DB: Dialect>(error: &sqlx::Error) -> Option<Refusal> {
    error.as_database_error().map(DB::refusal)
}

/// Describes an error in one line that contains nothing of what is stored. (The `Debug` of the driver's error can contain a
/// row.)
pub(crate) fn describe<DB: Dialect>(error: &sqlx::Error) -> String {
    let Some(said) = error.as_database_error() else { return error.to_string() };
    let code = said.code().unwrap_or_default();
    match DB::refusal(said) {
        Refusal::Exists => format!("a row with this key exists ({code})"),
        Refusal::NoTable => format!("{} ({code}): call migrate() once", said.message()),
        _ => format!("{} ({code})", said.message()),
    }
}
