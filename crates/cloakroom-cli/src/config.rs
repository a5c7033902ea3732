//! Settings out of a site's configuration file: the `[sessions]` table of a TOML file.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

/// Settings, and where in which file each of them is written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written<T> {
    pub(crate) settings: T,
    pub(crate) places: BTreeMap<String, String>,
}

/// Reads the `[sessions]` table of the file; other tables belong to others.
///
/// `on = true` has to be there, so that sessions are never on by accident. All other names are those of `T`.
///
/// # Errors
/// One line that names the file, the line in it, and what is wrong there.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Written<T>, String> {
    let place = |line: usize| format!("{}:{line}", path.display());
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{}: {error}; name another file with --config", path.display()))?;
    match parse(&text) {
        Ok((settings, lines)) => {
            let places = lines.into_iter().map(|(name, line)| (name, place(line))).collect();
            Ok(Written { settings, places })
        }
        Err(Fault { line: Some(line), what }) => Err(format!("{}: {what}", place(line))),
        Err(Fault { line: None, what }) => Err(format!("{}: {what}", path.display())),
    }
}

/// What is wrong, and where if that is a place in the file.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    line: Option<usize>,
    what: String,
}

/// The settings, and the line of each.
fn parse<T: DeserializeOwned>(text: &str) -> Result<(T, BTreeMap<String, usize>), Fault> {
    let fault = |error: toml::de::Error| Fault {
        line: error.span().map(|span| line_of(text, &span)),
        what: error.message().replace('\n', ", "),
    };
    let missing = |what: &str| Fault { line: None, what: what.to_owned() };

    let mut document = DeTable::parse(text).map_err(fault)?.into_inner();
    let sessions = document.remove("sessions");
    let sessions =
        sessions.ok_or_else(|| missing("there is no table [sessions]; add it, with `on = true`"))?;
    let span = sessions.span();
    let at =
        |span: &Range<usize>, what: &str| Fault { line: Some(line_of(text, span)), what: what.to_owned() };
    let DeValue::Table(mut table) = sessions.into_inner() else {
        return Err(at(&span, "`sessions` is not a table; write [sessions]"));
    };

    match table.remove("on").map(|on| (on.span(), on.into_inner())) {
        Some((_, DeValue::Boolean(true))) => {}
        Some((span, DeValue::Boolean(false))) => {
            return Err(at(&span, "sessions are off, and there is nothing else to show; write `on = true`"));
        }
        Some((span, _)) => return Err(at(&span, "`on` is true or false")),
        None => return Err(at(&span, "[sessions] needs the line `on = true`")),
    }
    let lines = table.keys().map(|name| (name.get_ref().to_string(), line_of(text, &name.span()))).collect();
    let settings =
        T::deserialize(toml::de::Deserializer::from(toml::Spanned::new(span, table))).map_err(fault)?;
    Ok((settings, lines))
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests;
