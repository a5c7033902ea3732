//! What a server is asked, as it sees it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// A look at everything that one server is asked.
pub(crate) struct Monitor(BufReader<TcpStream>);

impl Monitor {
    pub(crate) fn of(url: &str) -> Self {
        let mut stream = open(url);
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "+OK\r\n");
        Self(reader)
    }

    /// The names of the commands that came from clients since the last time, in order.
    pub(crate) fn commands(&mut self, url: &str) -> Vec<String> {
        // Whatever was asked before is seen before this.
        let mut other = open(url);
        other.write_all(b"ECHO the-end-of-it\r\n").unwrap();
        other.shutdown(std::net::Shutdown::Write).unwrap();
        let mut seen = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the server went away");
            if line.contains("the-end-of-it") {
                return seen;
            }
            // What a script calls is marked so, and is no round trip.
            if !line.contains(" lua] ") {
                seen.push(line.split('"').nth(1).unwrap().to_uppercase());
            }
        }
    }
}

fn open(url: &str) -> TcpStream {
    TcpStream::connect(url.strip_prefix("redis://").unwrap()).unwrap()
}
