//! The workspace as text: manifests, and Rust sources without comments and string literals.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;

/// A Rust file, cut into words and the signs between them.
pub(crate) struct Source {
    /// Relative to the `src/` it lies in.
    path: PathBuf,
    tokens: Vec<String>,
    lines: usize,
}

impl Source {
    /// Whether this is the file with that path under `src/`.
    pub(crate) fn is(&self, path: &str) -> bool {
        self.path == Path::new(path)
    }

    /// Whether this is the module, or lies in its folder; in `src/` or `src/adapters/`.
    pub(crate) fn belongs_to(&self, module: &str) -> bool {
        let path = self.path.strip_prefix("adapters").unwrap_or(&self.path);
        path == Path::new(&format!("{module}.rs")) || path.starts_with(module)
    }

    /// Whether the file is tests and nothing else, by its name.
    pub(crate) fn is_test(&self) -> bool {
        self.path.iter().any(|part| part == "tests" || part == "tests.rs")
    }

    /// How many lines of code it has: without comments, documentation, and empty lines.
    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    /// Fails if one of `words` is used anywhere in the code.
    pub(crate) fn forbids(&self, words: &[&str], rule: &str) {
        for word in words {
            assert!(!self.tokens.iter().any(|token| token == word), "{self} uses `{word}`: {rule}");
        }
    }

    /// Whether the code contains the path, such as `::now`, at whatever spacing.
    pub(crate) fn has_path(&self, path: &str) -> bool {
        let wanted = tokens(path);
        self.tokens.windows(wanted.len()).any(|window| window == wanted)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// The names of the crates under `crates/`; a folder is named like its package.
pub(crate) fn crates() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A crate's manifest.
pub(crate) fn manifest(name: &str) -> toml::Table {
    let manifest: toml::Table = workspace(&format!("crates/{name}/Cargo.toml")).parse().unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some(name), "folder and package are named alike");
    manifest
}

/// The text of a file of the workspace.
pub(crate) fn workspace(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The root file of each library, program, test and example of the workspace, each a crate of its own to the compiler.
pub(crate) fn crate_roots() -> Vec<PathBuf> {
    let cargo = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(cargo).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let targets = packages.flat_map(|package| package["targets"].as_array().unwrap());
    targets.map(|target| target["src_path"].as_str().unwrap().into()).collect()
}

/// Every Rust file of the engine.
pub(crate) fn engine_sources() -> Vec<Source> {
    sources("cloakroom")
}

/// Every Rust file of a crate's `src/`.
pub(crate) fn sources(name: &str) -> Vec<Source> {
    let src = root().join("crates").join(name).join("src");
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        let (tokens, lines) = (tokens(&text), text.lines().filter(is_code).count());
        Source { path: path.strip_prefix(&src).unwrap().to_owned(), tokens, lines }
    };
    rust_files(&src).into_iter().map(source).collect()
}

/// Every Rust file below a folder that has some.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{} has no sources", folder.display());
    found
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Words and single signs, in the order in which they stand there; literals and comments are left out.
fn tokens(code: &str) -> Vec<String> {
    fn flatten(code: TokenStream, tokens: &mut Vec<String>) {
        for token in code {
            match token {
                TokenTree::Group(group) => flatten(group.stream(), tokens),
                TokenTree::Literal(_) => {}
                token => tokens.push(token.to_string()),
            }
        }
    }
    let mut tokens = Vec::new();
    flatten(code.parse().expect("Rust"), &mut tokens);
    tokens
}

#[test]
fn comments_and_strings_are_not_code() {
    let code = "a /* async */ \"async \\\" async\" r#\"async\" async\"# '\"' // async\n [b::c]";
    assert_eq!(tokens(code), ["a", "b", ":", ":", "c"]);
}
