use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use crate::OpenError;
use crate::table::TableName;

/// Settings of a store, made by its `builder()`.
pub struct Builder<S> {
    table: String,
    pub(crate) deadline: Duration,
    pub(crate) max_connections: u32,
    pub(crate) listen_url: Option<String>,
    pub(crate) relaxed: bool,
    store: PhantomData<fn() -> S>,
}

impl<S> Builder<S> {
    pub(crate) fn new(max_connections: u32) -> Self {
        Self {
            table: "cloakroom_sessions".to_owned(),
            deadline: Duration::from_secs(5),
            max_connections,
            listen_url: None,
            relaxed: false,
            store: PhantomData,
        }
    }

    /// The table that the sessions are in: up to 48 ASCII letters, digits and underscores, and perhaps a schema (in
    /// MySQL a database) and a dot before them. Applications that share a database have a table each.
    ///
    /// Checked when the store is made. Defaults to `cloakroom_sessions`.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// How long one call may take, waiting for a connection included. After that it fails, and its connection is closed.
    ///
    /// The engine has a deadline of its own, which should be the shorter one. Defaults to 5 seconds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) fn checked_table(&self) -> Result<TableName, OpenError> {
        TableName::parse(&self.table)
    }
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("table", &self.table)
            .field("deadline", &self.deadline)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
