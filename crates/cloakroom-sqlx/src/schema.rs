//! The table's version, in a comment on it: `cloakroom sessions, version 1`.

use crate::OpenError;
use crate::table::TableName;

/// What a table's comment, or the text that made it, says about it.
///
/// # Errors
/// [`OpenError::Foreign`] without such a comment, [`OpenError::Version`] for a later version than ours.
pub(crate) fn check(table: &TableName, comment: &str) -> Result<(), OpenError> {
    let version = comment.split_once(MARK).and_then(|(_, version)| {
        let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
        version[..digits].parse::<u32>().ok()
    });
    match version {
        None => Err(OpenError::Foreign { table: table.to_string() }),
        Some(found) if found > VERSION => Err(OpenError::Version { table: table.to_string(), found }),
        Some(_) => Ok(()),
    }
}

const MARK: &str = "cloakroom sessions, version ";
const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_ours_is_known_by_its_comment() {
        let table = TableName::parse("sessions").unwrap();
        for ours in
            ["cloakroom sessions, version 1", "CREATE TABLE x ( -- cloakroom sessions, version 1\n key"]
        {
            check(&table, ours).unwrap();
        }
        for foreign in ["", "users", "cloakroom sessions, version ", "cloakroom sessions, version x"] {
            assert!(matches!(check(&table, foreign), Err(OpenError::Foreign { .. })), "{foreign}");
        }
        let later = check(&table, "cloakroom sessions, version 12, made later");
        assert!(matches!(later, Err(OpenError::Version { found: 12, .. })), "{later:?}");
    }
}
