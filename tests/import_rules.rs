//! Who may import whom: the rules of ARCHITECTURE.md, read off the manifests and the sources.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    pub(crate) mod imports;
    pub(crate) mod sources;
}

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use support::imports::Imports;
use support::sources::{
    Source, crate_roots, crates, engine_sources, manifest, root, rust_files, sources, workspace,
};
use toml::{Table, Value};

/// The crates under `crates/` that are not stores.
const NOT_STORES: [&str; 3] = ["cloakroom", "cloakroom-store", "cloakroom-cli"];

/// Each store crate's one driver. What a store crate needs beside it (a runtime to wait on, say) is listed with it.
const DRIVERS: &[(&str, &[&str])] = &[
    ("cloakroom-file", &["getrandom", "sha2", "tokio"]),
    ("cloakroom-memcached", &["tokio"]),
    ("cloakroom-redb", &["redb"]),
    ("cloakroom-redis", &["redis", "rustls", "tokio", "tracing"]),
    ("cloakroom-sqlx", &["libsqlite3-sys", "sqlx", "tokio"]),
];

/// The engine's files that decide and do nothing else.
const PURE: [&str; 11] = [
    "client",
    "client_address",
    "config",
    "cookie",
    "envelope",
    "lifecycle",
    "oplog",
    "request/plan",
    "request_start",
    "token",
    "value",
];

/// The engine's adapters, each a file or folder in `src/` or `src/adapters/`.
const ADAPTERS: [&str; 7] =
    ["http_v1", "tower", "axum_v0_8", "actix_v4", "rocket_v0_5", "poem_v3", "salvo_v1"];

/// What only an adapter may name.
const FRAMEWORKS: &[&str] = &[
    "actix_web4",
    "axum08",
    "http",
    "hyper",
    "poem3",
    "rocket05",
    "salvo_core1",
    "tokio",
    "tower",
    "tower_layer",
    "tower_service",
];

#[test]
fn the_contract_imports_std_alone() {
    assert_eq!(dependencies("cloakroom-store"), [""; 0]);
}

#[test]
fn a_store_crate_imports_the_contract_and_its_driver_only() {
    let mut checked = 0;
    for name in store_crates() {
        let Some((_, drivers)) = DRIVERS.iter().find(|(store, _)| *store == name) else {
            panic!("{name}: add it to DRIVERS with its driver");
        };
        for dependency in dependencies(&name) {
            assert!(
                dependency == "cloakroom-store" || drivers.contains(&dependency.as_str()),
                "{name} imports {dependency}"
            );
        }
        checked += 1;
    }
    assert_eq!(checked, DRIVERS.len(), "DRIVERS lists a crate that is not there");
}

#[test]
fn the_engine_never_imports_a_store_crate() {
    let stores = store_crates();
    for dependency in dependencies("cloakroom") {
        assert!(!stores.contains(&dependency), "the engine imports {dependency}");
    }
}

#[test]
fn pure_files_contain_no_async_no_store_and_no_framework() {
    let stores = ["Store", "DynStore", "Leases", "DynLeases", "Subjects", "DynSubjects", "Scan", "DynScan"];
    for name in PURE {
        let files = module(name);
        assert!(!files.is_empty(), "{name}.rs is gone: was it renamed?");
        for file in files.into_iter().filter(|file| !file.is_test()) {
            file.forbids(&["async", "await", "Future", "BoxFuture"], "a pure file waits for nothing");
            file.forbids(&stores, "a pure file knows no store");
            file.forbids(FRAMEWORKS, "a pure file knows no framework");
        }
    }
}

#[test]
fn nothing_in_the_engine_imports_an_adapter() {
    for name in ADAPTERS {
        assert!(!module(name).is_empty(), "adapter {name} is gone: was it renamed?");
    }
    for file in engine_sources() {
        // The root of the crate and the folder's own file declare the adapters; they may build on each other.
        if file.is("lib.rs") || file.is("adapters.rs") || ADAPTERS.iter().any(|name| file.belongs_to(name)) {
            continue;
        }
        file.forbids(&ADAPTERS, "nothing imports an adapter");
    }
}

/// An adapter that needs more wants something from the engine.
#[test]
fn an_adapter_s_file_has_less_than_150_lines_of_code() {
    for name in ADAPTERS {
        let files = module(name).into_iter().filter(|file| !file.is_test());
        let lines: Vec<usize> = files.map(|file| file.lines()).collect();
        println!("{name}: {} lines in {} files", lines.iter().sum::<usize>(), lines.len());
        assert!(lines.iter().all(|lines| *lines < 150), "{name}: {lines:?}");
    }
}

#[test]
fn no_store_reads_a_clock() {
    // Its server has a clock of its own; how long ago it told the time, no caller knows.
    let asks_its_server = |name: &str, file: &Source| {
        name == "cloakroom-memcached" && (file.belongs_to("open") || file.belongs_to("connection"))
    };
    let stores = store_crates().into_iter().flat_map(|name| {
        sources(&name).into_iter().filter(move |file| !asks_its_server(&name, file)).collect::<Vec<_>>()
    });
    let inside = engine_sources().into_iter().filter(|file| file.belongs_to("stores"));
    // The suite is no store: it measures how long a store makes it wait.
    let contract = sources("cloakroom-store").into_iter().filter(|file| !file.belongs_to("conformance"));
    for file in stores.chain(inside).chain(contract).filter(|file| !file.is_test()) {
        assert!(!file.has_path("::now"), "{file} calls some `now`: stores are told the time");
        file.forbids(&["elapsed"], "stores are told the time");
    }
}

/// What makes a framework that framework, by the feature that is for it.
const FRAMEWORK_CRATES: &[(&str, &[&str])] = &[
    ("http_v1", &["http"]),
    ("tower", &["http", "tower-layer", "tower-service"]),
    ("axum_v0_8", &["axum", "axum-core", "http", "hyper", "tower", "tower-layer", "tower-service"]),
    ("actix_v4", &["actix-http", "actix-web"]),
    ("rocket_v0_5", &["rocket", "rocket_http"]),
    ("poem_v3", &["http", "hyper", "poem"]),
    ("salvo_v1", &["http", "hyper", "salvo_core"]),
];

/// Also of the crates that a framework brings with it, however deep.
#[test]
fn a_framework_s_feature_pulls_in_no_other_framework() {
    let frameworks = ["axum", "actix-web", "rocket", "poem", "salvo_core"];
    assert_eq!(FRAMEWORK_CRATES.len(), ADAPTERS.len());
    for (feature, own) in FRAMEWORK_CRATES {
        let crates = compiled_with(&[feature]);
        for name in *own {
            assert!(crates.contains(*name), "{feature} does not pull in {name}: was it renamed?");
        }
        for name in frameworks.iter().filter(|name| !own.contains(name)) {
            assert!(!crates.contains(*name), "{feature} pulls in {name}");
        }
    }
}

#[test]
fn the_default_features_pull_in_no_framework_and_no_driver() {
    let crates = compiled_with(&["default"]);
    assert!(crates.contains("tokio") && crates.len() < 60, "{crates:?}");
    let frameworks = FRAMEWORK_CRATES.iter().flat_map(|(_, own)| own.iter());
    let drivers = DRIVERS.iter().flat_map(|(_, drivers)| drivers.iter());
    // The engine's own.
    let needed = ["getrandom", "sha2", "tokio", "tracing"];
    for name in frameworks.chain(drivers).filter(|name| !needed.contains(name)) {
        assert!(!crates.contains(*name), "the default features pull in {name}");
    }
}

/// All crates that are compiled for somebody who depends on the engine with these features.
fn compiled_with(features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "-p", "cloakroom", "-e", "normal,build", "--no-default-features"])
        .args(["--prefix", "none", "--format", "{p}", "--features", &features.join(",")])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// A ring of imports has no first file to read: to understand one, all of them have to be read.
#[test]
fn no_file_imports_a_file_that_imports_it_directly_or_in_a_ring() {
    let mut found = String::new();
    for crate_root in crate_roots() {
        let imports = Imports::of_crate(&crate_root, |path| fs::read_to_string(path).ok());
        if crate_root.ends_with("src/lib.rs") {
            print_sizes(crate_root.parent().unwrap(), &imports);
        }
        let rings = imports.rings();
        if !rings.is_empty() {
            let name = crate_root.strip_prefix(root()).unwrap().display();
            found += &format!("\n{name}: rings of imports, {} in all\n", rings.len());
        }
        for ring in rings.iter().take(RINGS_SHOWN) {
            found += &format!("  {ring}\n");
        }
    }
    assert!(found.is_empty(), "{found}");
}

/// Of each crate; the shorter ones, whose end may be that of the longer ones too.
const RINGS_SHOWN: usize = 12;

/// How many files a folder of sources has, and how long they are, without those that are compiled for tests alone.
fn print_sizes(folder: &Path, imports: &Imports) {
    let lines = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    let mut lines: Vec<_> = imports.files().map(|file| lines(&folder.join(file))).collect();
    lines.sort_unstable();
    let (files, median) = (lines.len(), lines[lines.len() / 2]);
    let (name, all) = (folder.strip_prefix(root()).unwrap().display(), rust_files(folder).len());
    println!("{name}: {files} files of {median} lines in the median; {all} with the tests");
}

#[test]
fn unsafe_code_is_forbidden_in_every_crate() {
    let root: Table = workspace("Cargo.toml").parse().unwrap();
    let lint = root["workspace"]["lints"]["rust"]["unsafe_code"].as_str();
    assert_eq!(lint, Some("forbid"));
    for name in crates() {
        let inherits = manifest(&name).get("lints").and_then(|lints| lints.get("workspace")).cloned();
        assert_eq!(inherits, Some(Value::Boolean(true)), "{name} does not take the workspace's lints");
    }
}

/// The crates under `crates/` that keep sessions with somebody's driver.
fn store_crates() -> Vec<String> {
    crates().into_iter().filter(|name| !NOT_STORES.contains(&name.as_str())).collect()
}

/// What a crate's users compile with it: everything but dev-dependencies, for every target.
fn dependencies(name: &str) -> Vec<String> {
    let manifest = manifest(name);
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = targets.filter_map(|(_, target)| target.as_table()).chain([&manifest]);
    tables
        .flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .filter_map(|dependencies| dependencies.and_then(Value::as_table))
        .flatten()
        .map(|(alias, value)| value.get("package").and_then(Value::as_str).unwrap_or(alias).to_owned())
        .collect()
}

fn module(name: &str) -> Vec<Source> {
    engine_sources().into_iter().filter(|file| file.belongs_to(name)).collect()
}
