use std::fmt;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::OpenError;

/// A table's name that is safe to put into a statement: checked, and quoted wherever it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    schema: Option<String>,
    name: String,
}

impl TableName {
    /// Reads `name` or `schema.name`, each of 1 to [`MAX_PART`] ASCII letters, digits and underscores that do not begin
    /// with a digit.
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        if !is_identifier(name) || !schema.is_none_or(is_identifier) {
            return Err(OpenError::InvalidTable { table: text.to_owned() });
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned() })
    }

    /// The schema it is in, if one was given.
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The table's own name, without a schema: what index names and channels are made of.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A statement of this text in which `{table}` is the name in these quotes, and `{name}` the bare one.
    pub(crate) fn statement(&self, text: &str, quote: char) -> SqlStr {
        // Shared, since every call has a copy.
        AssertSqlSafe(Arc::<str>::from(self.fill(text, quote))).into_sql_str()
    }

    fn fill(&self, text: &str, quote: char) -> String {
        let schema = self.schema.as_ref().map_or(String::new(), |schema| format!("{quote}{schema}{quote}."));
        let table = format!("{schema}{quote}{}{quote}", self.name);
        text.replace("{table}", &table).replace("{name}", &self.name)
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

/// PostgreSQL cuts names after 63 bytes, and an index has the table's name and up to 11 more.
pub(crate) const MAX_PART: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_digits_and_underscores_make_a_name_perhaps_in_a_schema() {
        for good in ["cloakroom_sessions", "_a", "A9", "web.sessions", &"x".repeat(MAX_PART)] {
            assert_eq!(TableName::parse(good).unwrap().to_string(), good);
        }
    }

    #[test]
    fn anything_else_is_refused_by_a_message_that_names_it() {
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
            let error = TableName::parse(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn a_name_is_quoted_part_by_part() {
        let table = TableName::parse("web.sessions").unwrap();
        let text = "SELECT 1 FROM {table} -- {name}";
        assert_eq!(table.fill(text, '"'), r#"SELECT 1 FROM "web"."sessions" -- sessions"#);
        assert_eq!(table.fill(text, '`'), "SELECT 1 FROM `web`.`sessions` -- sessions");
    }
}
