//! A copy of the workspace that may be broken.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The copy.
pub(super) struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Copies what is built to `target/canaries`; what was there before goes.
    pub(super) fn make(workspace: &Path) -> Result<Self, String> {
        let root = workspace.join("target").join("canaries");
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
        let copied = fs::remove_dir_all(&root)
            .or(Ok(()))
            .and_then(|()| fs::create_dir_all(&root))
            .and_then(|()| PARTS.iter().try_for_each(|part| copy(&workspace.join(part), &root.join(part))));
        let target = copied.and_then(|()| std::path::absolute(target));
        let target = target.map_err(|error: std::io::Error| format!("{}: {error}", root.display()))?;
        let copy = Self { root, target };
        copy.tell_apart().map_err(|error| format!("{}: {error}", copy.root.display()))?;
        Ok(copy)
    }

    /// Gives the copied crates a version of their own. Cargo would take what it built of them for the workspace's, as both
    /// are built into one folder.
    fn tell_apart(&self) -> std::io::Result<()> {
        let manifest = self.root.join("Cargo.toml");
        let text = fs::read_to_string(&manifest)?;
        let version = text.lines().find(|line| line.starts_with("version = ")).unwrap_or_default();
        let told_apart = format!("{}+broken\"", version.trim_end_matches('"'));
        fs::write(&manifest, text.replacen(version, &told_apart, 1))
    }

    /// Replaces a piece of text that must be in the file exactly once.
    pub(super) fn replace(&self, file: &str, find: &str, replace: &str) -> Result<(), String> {
        let text = self.read(file)?;
        match text.matches(find).count() {
            1 => self.write(file, &text.replace(find, replace)),
            count => {
                Err(format!("{file} has its place {count} times, not once; was the code changed?\n{find}"))
            }
        }
    }

    pub(super) fn append(&self, file: &str, more: &str) -> Result<(), String> {
        self.write(file, &(self.read(file)? + more))
    }

    /// Runs the history checker in the copy. Everything else in the workspace is built with the features it has in all
    /// tests, and so is not built again.
    pub(super) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args(["test", "--quiet", "--workspace", "--all-features", "--test", "history"])
            .args(arguments);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    fn read(&self, file: &str) -> Result<String, String> {
        fs::read_to_string(self.path(file)).map_err(|error| format!("{file}: {error}"))
    }

    fn write(&self, file: &str, text: &str) -> Result<(), String> {
        fs::write(self.path(file), text).map_err(|error| format!("{file}: {error}"))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.join(ENGINE).join(file)
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_file() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(name))?;
    }
    Ok(())
}

/// Where the sources are that may be broken.
pub(super) const ENGINE: &str = "crates/cloakroom/src";

/// What the workspace is built from.
const PARTS: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "docs",
    "crates",
    "tests",
    "benches",
    "examples",
    "xtask",
    "clippy.toml",
];
