//! A server spoken to past the store.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

pub(crate) struct Raw(BufReader<TcpStream>);

impl Raw {
    pub(crate) fn connect(address: &str) -> Self {
        Self(BufReader::new(TcpStream::connect(address).unwrap()))
    }

    pub(crate) fn get(&mut self, item: &str) -> Option<Vec<u8>> {
        let line = self.ask(format!("mg {item} v\r\n").as_bytes());
        let len = line.strip_prefix("VA ")?.split(' ').next()?.parse::<usize>().unwrap();
        let mut value = vec![0; len + 2];
        self.0.read_exact(&mut value).unwrap();
        value.truncate(len);
        Some(value)
    }

    /// Sends `request`; the first line of the answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> String {
        self.0.get_mut().write_all(request).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.truncate(line.trim_end().len());
        line
    }
}

/// Something that no other test begins its keys with, in this process or another.
pub(crate) fn unique_prefix() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    #[allow(clippy::disallowed_methods, reason = "no rule depends on this time")]
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    format!("test:{}:{count}:{nanos}:", process::id())
}
