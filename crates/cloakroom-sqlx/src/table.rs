//! The table: its name, its statements, and the version that it says it has.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::codec::PREFIX_LEN;
use cloakroom_store::{Claim, Key, OpenError};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// A table's name that is safe in the text of a statement: checked, and quoted wherever it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    schema: Option<String>,
    name: String,
}

impl TableName {
    /// Parses `name` or `schema.name`, each of 1 to [`MAX_PART`] ASCII letters, digits and underscores that do not begin with a
    /// digit.
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        if !is_identifier(name) || !schema.is_none_or(is_identifier) {
            return Err(OpenError::config(format!(
                "{text:?} is not a valid table name: use up to {MAX_PART} ASCII letters, digits and underscores, with or \
                 without a schema and a dot before them"
            )));
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned() })
    }

    /// The schema, if one was given.
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The table's own name, without a schema.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A statement of this text, in which these are replaced, after the `pieces`:
    ///
    /// - `{table}`: the name with its schema, in these quotes; `{name}`: the name alone, without quotes
    /// - `{schema}`: the schema as a string literal, or `NULL`
    /// - `{prefix_len}`: the length of the prefix of a record's data
    /// - `{key_at}`, `{key_len}`: where the data has its key
    /// - `{guard_at}`, `{guard_len}`: where the data of a record without a subject has its guard; a subject's bytes come before
    /// - `{tolerance}`, `{margin}`: [`Claim::TOLERANCE`] and [`MARGIN`] in milliseconds
    pub(crate) fn statement(&self, text: &str, quote: char, pieces: &[(&str, &str)]) -> SqlStr {
        // Shared, because every call has a copy.
        AssertSqlSafe(Arc::<str>::from(self.fill(text, quote, pieces))).into_sql_str()
    }

    fn fill(&self, text: &str, quote: char, pieces: &[(&str, &str)]) -> String {
        let text = pieces.iter().fold(text.to_owned(), |text, (name, piece)| text.replace(name, piece));
        let schema = self.schema.as_ref().map_or(String::new(), |schema| format!("{quote}{schema}{quote}."));
        text.replace("{table}", &format!("{schema}{quote}{}{quote}", self.name))
            .replace("{name}", &self.name)
            .replace(
                "{schema}",
                &self.schema.as_ref().map_or("NULL".to_owned(), |schema| format!("'{schema}'")),
            )
            .replace("{prefix_len}", &PREFIX_LEN.to_string())
            .replace("{key_at}", &(PREFIX_LEN - Key::LEN + 1).to_string())
            .replace("{key_len}", &Key::LEN.to_string())
            .replace("{guard_at}", &(EMPTY_LEN + Claim::GUARD.start + 1).to_string())
            .replace("{guard_len}", &Claim::GUARD.len().to_string())
            .replace("{tolerance}", &Claim::TOLERANCE.as_millis().to_string())
            .replace("{margin}", &MARGIN.as_millis().to_string())
    }

    /// Checks the version in the table's comment, or in the text that created the table: `cloakroom sessions, version 1`.
    ///
    /// # Errors
    /// [`Refused`](cloakroom_store::OpenErrorKind::Refused) without such a comment, and for a later version.
    pub(crate) fn check_version(&self, comment: &str) -> Result<(), OpenError> {
        let version = comment.split_once(VERSION_MARK).and_then(|(_, version)| {
            let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
            version[..digits].parse::<u32>().ok()
        });
        match version {
            None => Err(OpenError::refused(format!(
                "the table {self} is not one of cloakroom's and was left as it is: choose another name"
            ))),
            Some(found) if found > VERSION => Err(OpenError::refused(format!(
                "the table {self} has format version {found}, which this version of cloakroom-sqlx does not know: \
                 update it"
            ))),
            Some(_) => Ok(()),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

fn is_identifier(part: &str) -> bool {
    part.len() <= MAX_PART
        && part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Defines the struct `Statements`, and `Statements::new`, which makes each statement from its text for one table. Every
/// database has those of the calls; the others are listed.
macro_rules! statements {
    (quote = $quote:literal, pieces = $pieces:expr, $($name:ident: $text:ident,)*) => {
        $crate::table::statements! {
            all of $quote, $pieces,
            create: CREATE,
            load: LOAD,
            enroll: ENROLL,
            replace: REPLACE,
            prefix: PREFIX_OF,
            touch: TOUCH,
            delete: DELETE,
            acquire: ACQUIRE,
            renew: RENEW,
            release: RELEASE,
            replace_and_release: REPLACE_AND_RELEASE,
            list: LIST,
            page: PAGE,
            count: COUNT,
            comment: COMMENT,
            schema: SCHEMA,
            $($name: $text,)*
        }
    };
    (all of $quote:literal, $pieces:expr, $($name:ident: $text:ident,)*) => {
        pub(super) struct Statements {
            $(pub(super) $name: sqlx::SqlStr,)*
        }

        impl Statements {
            pub(super) fn new(table: &$crate::table::TableName) -> Self {
                let pieces: &[(&str, &str)] = $pieces;
                Self { $($name: table.statement($text, $quote, pieces),)* }
            }
        }
    };
}

pub(crate) use statements;

/// The length of a record's bytes before its data, without a subject: prefix, revision, expiry, and two lengths.
const EMPTY_LEN: usize = PREFIX_LEN + 8 + 8 + 1 + 4;
/// How long a record stays after it has expired by the clock of a server, whatever the clock of the caller that purges.
const MARGIN: Duration = Duration::from_secs(600);
const VERSION_MARK: &str = "cloakroom sessions, version ";
const VERSION: u32 = 1;
/// PostgreSQL cuts names after 63 bytes, and the name of an index is the table's name and up to 11 bytes more.
const MAX_PART: usize = 48;

#[cfg(test)]
mod tests {
    use cloakroom_store::OpenErrorKind::{Config, Refused};
    use cloakroom_store::{Record, Revision, Subject, Timestamp, encode};

    use super::*;

    #[test]
    fn a_name_is_letters_digits_and_underscores_with_or_without_a_schema() {
        for good in ["cloakroom_sessions", "_a", "A9", "web.sessions", &"x".repeat(MAX_PART)] {
            assert_eq!(TableName::parse(good).unwrap().to_string(), good);
        }
    }

    #[test]
    fn any_other_name_is_an_error_that_names_it() {
        let bad = [
            "",
            ".",
            "a.",
            ".a",
            "a.b.c",
            "9a",
            "a b",
            "a-b",
            "a\"b",
            "a`b",
            "a;drop table b",
            "\u{e9}",
            &"x".repeat(MAX_PART + 1),
        ];
        for bad in bad {
            let error = TableName::parse(bad).unwrap_err();
            assert_eq!(error.kind(), Config);
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn each_part_of_a_name_is_quoted() {
        let text = "SELECT 1 FROM {table} WHERE {schema} -- {name}, {piece}";
        let fill = |name, quote| TableName::parse(name).unwrap().fill(text, quote, &[("{piece}", "{name}")]);
        assert_eq!(
            fill("web.sessions", '"'),
            r#"SELECT 1 FROM "web"."sessions" WHERE 'web' -- sessions, sessions"#
        );
        assert_eq!(fill("sessions", '`'), "SELECT 1 FROM `sessions` WHERE NULL -- sessions, sessions");
    }

    #[test]
    fn the_guard_is_where_an_encoded_record_has_it() {
        let data: Vec<u8> = (0..40).collect();
        for subject in [None, Some(Subject::new("ann").unwrap())] {
            let before = subject.as_ref().map_or(0, |subject| subject.as_str().len());
            let record = Record::new(Revision::new(1), Timestamp::MAX, data.clone()).with_subject(subject);
            let bytes = encode(&Key::new([7; Key::LEN]), &record);
            let at = EMPTY_LEN + Claim::GUARD.start + before;
            assert_eq!(bytes[at..at + Claim::GUARD.len()], data[Claim::GUARD]);
        }
    }

    #[test]
    fn a_cloakroom_table_is_recognized_by_its_comment() {
        let table = TableName::parse("sessions").unwrap();
        for ours in
            ["cloakroom sessions, version 1", "CREATE TABLE x ( -- cloakroom sessions, version 1\n key"]
        {
            table.check_version(ours).unwrap();
        }
        for foreign in ["", "users", "cloakroom sessions, version ", "cloakroom sessions, version x"] {
            let refused = table.check_version(foreign).unwrap_err();
            assert_eq!(refused.kind(), Refused);
            assert!(refused.to_string().contains("not one of cloakroom's"), "{refused}");
        }
        let later = table.check_version("cloakroom sessions, version 12, made later").unwrap_err();
        assert_eq!(later.kind(), Refused);
        assert!(later.to_string().contains("version 12"), "{later}");
    }
}
