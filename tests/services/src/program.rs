use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Where this program is: along `PATH`, or where Debian keeps servers.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).chain(postgresql());
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The same as text.
///
/// # Errors
/// One line: which Debian package has it.
pub(crate) fn program(name: &str, package: &str) -> Result<String, String> {
    match find_program(name) {
        Some(path) => Ok(path.display().to_string()),
        None => Err(format!(
            "{name} is missing; it is in Debian's package {package}: `cargo xtask test` installs it"
        )),
    }
}

/// Debian has a folder of programs for each version of PostgreSQL, beside `PATH`; the newest first.
fn postgresql() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> =
        versions.filter_map(|entry| Some((version(&entry.path())?, entry.path().join("bin")))).collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, folder)| folder).collect()
}

fn version(folder: &Path) -> Option<u32> {
    folder.file_name()?.to_str()?.parse().ok()
}
