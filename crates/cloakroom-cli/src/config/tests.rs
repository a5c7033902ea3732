use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    cookie_name: String,
    limit: u32,
}

fn parsed(text: &str) -> Result<Settings, Fault> {
    parse(text).map(|(settings, _)| settings)
}

fn fault(text: &str) -> (Option<usize>, String) {
    let Fault { line, what } = parsed(text).unwrap_err();
    (line, what)
}

#[test]
fn on_is_the_only_line_that_has_to_be_there() {
    assert_eq!(parsed("[sessions]\non = true\n"), Ok(Settings::default()));
}

#[test]
fn settings_are_read_from_the_table_and_other_tables_are_left_alone() {
    let text = "title = 'shop'\n[server]\nport = 80\n[sessions]\non = true\ncookie_name = 'id'\nlimit = 7\n";
    assert_eq!(parsed(text), Ok(Settings { cookie_name: "id".into(), limit: 7 }));
}

#[test]
fn sessions_that_are_not_switched_on_are_an_error() {
    assert_eq!(
        fault("a = 1\n[sessions]\nlimit = 7\n"),
        (Some(2), "[sessions] needs the line `on = true`".into())
    );
    assert_eq!(fault("[sessions]\non = 'yes'\n"), (Some(2), "`on` is true or false".into()));
    assert_eq!(fault("[sessions]\non = false\n").0, Some(2));
    assert_eq!(fault("[server]\n"), (None, "there is no table [sessions]; add it, with `on = true`".into()));
    assert_eq!(fault("\nsessions = 1\n"), (Some(2), "`sessions` is not a table; write [sessions]".into()));
}

#[test]
fn a_wrong_name_is_named_with_its_line() {
    let (line, what) = fault("[sessions]\non = true\n\ncookie_nam = 'id'\n");
    assert_eq!(line, Some(4));
    assert!(what.contains("unknown field `cookie_nam`"), "{what}");
    assert!(what.contains("`cookie_name`"), "the right names are listed: {what}");
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    let (line, what) = fault("[sessions]\nlimit = 'many'\non = true\n");
    assert_eq!(line, Some(2));
    assert_eq!(what, "invalid type: string \"many\", expected u32");
}

#[test]
fn broken_toml_is_named_with_its_line() {
    assert_eq!(fault("[sessions]\non = true\nlimit = = 3\n").0, Some(3));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read::<Settings>(Path::new("no/such/file.toml")).unwrap_err();
    assert!(error.starts_with("no/such/file.toml: "), "{error}");
}

#[test]
fn each_setting_is_remembered_with_its_line() {
    let (_, lines) = parse::<Settings>("[sessions]\non = true\n\nlimit = 7\n").unwrap();
    assert_eq!(lines, [("limit".to_owned(), 4)].into());
}
