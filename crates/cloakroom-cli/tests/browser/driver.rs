//! A chromedriver of our own and the Chromiums it starts, all gone when dropped.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fantoccini::ClientBuilder;
use fantoccini::wd::Capabilities;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::server::Server;
use crate::visitor::{GLANCE, PATIENCE, Visitor};

/// A running demo, and a driver to visit it with.
pub(crate) struct Site {
    driver: Driver,
    server: Server,
}

impl Site {
    /// Starts the demo with these options; its sessions are in memory.
    pub(crate) fn start(options: &[&str]) -> Self {
        let server = Server::start(&[&["--store", "memory"], options].concat());
        Self { driver: Driver::start(), server }
    }

    /// Somebody new: a Chromium with a profile that has seen nothing yet.
    pub(crate) async fn visitor(&self) -> Visitor {
        let profile = self.driver.profiles.replace(self.driver.profiles.get() + 1);
        self.visitor_with(&format!("profile-{profile}")).await
    }

    /// A Chromium with the profile of that name, which remembers whatever the one before it kept on disk.
    pub(crate) async fn visitor_with(&self, profile: &str) -> Visitor {
        // The name under which the demo tells people to open it.
        let home = format!("http://{}", self.server.address().replace("127.0.0.1", "localhost"));
        let visitor = Visitor::new(self.driver.chromium(profile).await, home);
        visitor.open("/").await;
        visitor
    }
}

struct Driver {
    process: Child,
    url: String,
    /// Everything they write. Its name is also in the arguments of all that runs.
    folder: TempDir,
    profiles: Cell<u32>,
}

impl Driver {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = Command::new("chromedriver")
            .args(["--port=0", &format!("--log-path={}", folder.path().join("driver.log").display())])
            // Crash reports, caches and sockets stay in there as well.
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is there: cargo xtask test installs it");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned())
        });
        let url = port.map(|port| format!("http://127.0.0.1:{port}"));
        // Made first, so that it is stopped even if it said nothing.
        let mut driver = Self { process, url: String::new(), folder, profiles: Cell::new(0) };
        driver.url = url.expect("chromedriver says where it listens");
        driver
    }

    async fn chromium(&self, profile: &str) -> fantoccini::Client {
        let profile = format!("--user-data-dir={}", self.folder.path().join(profile).display());
        let flags = [&FLAGS[..], &[&profile]].concat();
        let Value::Object(wanted) = json!({
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "pageLoad": PATIENCE.as_millis(), "script": PATIENCE.as_millis() },
        }) else {
            unreachable!("it is written as an object")
        };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(Capabilities::from(wanted)).connect(&self.url);
        let client = timeout(PATIENCE, client).await.expect("chromium starts in time");
        client.expect("chromium starts: cargo xtask test installs it")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Without a driver Chromium runs on. A killed process may have a last child on the way: look until none is left.
        for _ in 0..ROUNDS {
            let left = processes_that_name(self.folder.path());
            if left.is_empty() {
                break;
            }
            let _ = Command::new("kill").args(["-s", "KILL"]).args(&left).stderr(Stdio::null()).status();
            std::thread::sleep(GLANCE);
        }
    }
}

/// The ids of processes with that path in their arguments, which only ours have. The dead have no arguments.
fn processes_that_name(path: &Path) -> Vec<String> {
    let path = path.to_str().expect("text");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|process| {
            let arguments = fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&arguments).contains(path)
        })
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

const FLAGS: [&str; 6] = [
    "--headless",
    // Root in a container has no sandbox to offer, and often little shared memory.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
];

const ROUNDS: usize = 500;
