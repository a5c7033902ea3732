//! The real command as a process, and curl as its visitors.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A running demo on a port of its own; killed when dropped.
pub(crate) struct Server {
    process: Child,
    url: String,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut process = command()
            .args(["demo", "--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let first = lines.next().expect("it says where it listens").expect("text");
        let port = first.trim_end_matches('/').rsplit(':').next().expect("a port").to_owned();
        // The rest is read as well, so that the pipe never fills.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url: format!("http://127.0.0.1:{port}") }
    }

    /// `ADDRESS:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// What curl gets from `path`, keeping cookies in the jar.
    pub(crate) fn get(&self, jar: &Path, path: &str) -> String {
        self.curl(jar, path, &[])
    }

    /// Sends a form as the page would, and follows the redirect; curl's own `--location` forgets to drop a removed
    /// cookie from its jar.
    pub(crate) fn post(&self, jar: &Path, path: &str, form: &str) -> String {
        let answer = self.curl(jar, path, &["--data", form, "--write-out", "%{http_code} %{redirect_url}"]);
        let to = answer.strip_prefix(&format!("303 {}", self.url));
        self.get(jar, to.unwrap_or_else(|| panic!("{path} does not redirect: {answer}")))
    }

    pub(crate) fn curl(&self, jar: &Path, path: &str, options: &[&str]) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--cookie"])
            .arg(jar)
            .arg("--cookie-jar")
            .arg(jar)
            .args(options)
            .arg(format!("{}{path}", self.url))
            .output()
            .expect("curl is there: cargo xtask test installs it");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// `kill -9`, with no chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("it was running");
        self.process.wait().expect("it ends");
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status();
        assert!(kill.expect("kill is there").success());
    }

    /// SIGTERM; answers the exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        self.process.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the command to its end.
pub(crate) fn run(options: &[&str]) -> Output {
    command().args(options).output().expect("the command starts")
}

/// A folder for jars and stores, gone when dropped.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn redb(&self) -> String {
        format!("redb:{}", self.file("demo.redb").display())
    }
}

/// The command, to be run in a way of one's own.
pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cloakroom"))
}
