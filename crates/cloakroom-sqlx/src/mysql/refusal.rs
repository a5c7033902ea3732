use std::time::Duration;

use sqlx::MySql;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

use crate::error::{Dialect, Refusal};

impl Dialect for MySql {
    /// By number, since the codes of the standard are coarse here. Numbers and meanings: the error references of MySQL 8.4
    /// and of MariaDB.
    fn refusal(error: &dyn DatabaseError) -> Refusal {
        let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() else { return Refusal::Lost };
        match error.number() {
            1062 => Refusal::Exists,
            // Table full, disk full.
            1114 | 1021 => Refusal::Full,
            // Writing failed, or the engine did: told apart by the system's words.
            1026 | 1030 if error.message().contains("No space left") => Refusal::Full,
            // Packet, blob for the log, column, intermediate result.
            1153 | 1118 | 1406 | 1301 => Refusal::TooLarge,
            // Lock wait timeout, deadlock (also what a Galera cluster says of a conflict), no room for locks.
            1205 | 1213 | 1206 => Refusal::NotNow,
            // Too many connections, by server and by user.
            1040 | 1203 | 1226 => Refusal::NotNow,
            // Too many prepared statements, one that is not known, or that is to be prepared again.
            1461 | 1243 | 1615 => Refusal::NotHere,
            // Read-only in three ways, locked for a backup, a Galera node that is not ready.
            1290 | 1792 | 1836 | 1223 | 1047 => Refusal::NotHere,
            1146 => Refusal::NoTable,
            // Not allowed, not understood, nonsense: classes 28, 42, 22, 21, 23 of the standard.
            _ => match error.code().and_then(|code| code.get(..2)) {
                Some("28" | "42" | "22" | "21" | "23") => Refusal::Other,
                // Rolled back, by a cluster for one.
                Some("40") => Refusal::NotNow,
                // Shut down, killed, timed out, and whatever else there may be.
                _ => Refusal::Lost,
            },
        }
    }

    /// Whatever `completion_type` says.
    const END_TRANSACTION: &'static str = "ROLLBACK AND NO CHAIN NO RELEASE";

    /// Whole seconds, of which there is none shorter. MySQL has no limit for statements that write.
    fn limits(_deadline: Duration) -> Option<String> {
        Some("SET innodb_lock_wait_timeout = 1, lock_wait_timeout = 1".to_owned())
    }
}
