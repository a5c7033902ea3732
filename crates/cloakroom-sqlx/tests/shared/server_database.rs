//! A database on the server that tests share.

use cloakroom_sqlx::{Builder, OpenError};
use sqlx::Connection as _;

use crate::dialect::{Connection, Pool, PoolOptions, SCHEME, Store, url};

/// The server that tests share.
#[derive(Clone)]
pub(crate) struct Database(String);

impl Database {
    pub(crate) fn new() -> Self {
        Self(url().to_owned())
    }

    pub(crate) fn unreachable() -> Self {
        Self(format!("{SCHEME}://ann:secret@127.0.0.1:1/x"))
    }

    pub(crate) async fn open(&self, builder: Builder<Store>) -> Result<Store, OpenError> {
        builder.connect(&self.0).await
    }

    pub(crate) async fn pool(&self, options: PoolOptions) -> Pool {
        options.connect(&self.0).await.unwrap()
    }

    pub(crate) async fn connection(&self) -> Connection {
        Connection::connect(&self.0).await.unwrap()
    }
}
