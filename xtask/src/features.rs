//! Which features each crate has: one that compiles beside the others may not compile alone.

use std::fs;
use std::path::Path;

/// The published crates under `crates`, by name, with their features except `default`.
pub(crate) fn of_each_crate(crates: &Path) -> Result<Vec<(String, Vec<String>)>, String> {
    let entries = fs::read_dir(crates).map_err(|error| format!("{}: {error}", crates.display()))?;
    let mut all = Vec::new();
    for entry in entries {
        let manifest = entry.map_err(|error| error.to_string())?.path().join("Cargo.toml");
        let text =
            fs::read_to_string(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
        all.push(of_manifest(&text).map_err(|error| format!("{}: {error}", manifest.display()))?);
    }
    all.sort();
    Ok(all)
}

fn of_manifest(text: &str) -> Result<(String, Vec<String>), String> {
    let manifest: toml::Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    let features = manifest.get("features").and_then(toml::Value::as_table);
    let features = features.into_iter().flat_map(|table| table.keys()).filter(|name| *name != "default");
    Ok((name.ok_or("no package name")?.to_owned(), features.cloned().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_but_default_is_listed() {
        let manifest = "[package]\nname = \"a\"\n[features]\ndefault = [\"x\"]\nx = []\ny = [\"dep:z\"]\n";
        assert_eq!(of_manifest(manifest), Ok(("a".into(), vec!["x".into(), "y".into()])));
    }

    #[test]
    fn a_crate_without_features_is_listed_with_none() {
        assert_eq!(of_manifest("[package]\nname = \"a\"\n"), Ok(("a".into(), vec![])));
    }
}
