//! Ports, and whose they are.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A port that nobody has right now.
///
/// Not one that the system picks: those are also what clients get as their own end. While a server is down, a client could
/// take its port that way; one that tries to connect to it again and again would end up connected to itself.
pub fn free() -> u16 {
    let any = RandomState::new();
    (0_u32..10_000)
        .map(|count| FIRST + (any.hash_one(count) % u64::from(COUNT)) as u16)
        // A node of a Redis cluster takes the second of these as well.
        .find(|port| is_free(*port) && is_free(port + COUNT))
        .expect("a free port")
}

/// Below what Linux gives to clients (from 32768, ip(7)), even with as much again on top.
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether it is this process that listens there, and not another one which was quicker.
pub(crate) fn listens(process: u32, port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let Some(socket) = listener(&table, port) else { return false };
    let name = format!("socket:[{socket}]");
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    open.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| target.as_os_str() == name.as_str())
}

/// The inode of the socket that listens on this loopback port, from the table of proc_net(5).
fn listener(table: &str, port: u16) -> Option<&str> {
    let address = format!("0100007F:{port:04X}");
    table.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        (*local == address && *state == LISTEN).then_some(*inode)
    })
}

const LISTEN: &str = "0A";

/// Sends a line, and answers the first one that comes back: what Redis and memcached have in common. If it is the head of
/// a Redis string, answers that.
pub(crate) fn ask(port: u16, line: &str) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(format!("{line}\r\n").as_bytes()).ok()?;
    let mut reader = BufReader::new(stream);
    let mut answer = String::new();
    reader.read_line(&mut answer).ok()?;
    if let Some(length) = answer.strip_prefix('$') {
        let mut text = vec![0; length.trim().parse().ok()?];
        reader.read_exact(&mut text).ok()?;
        answer = String::from_utf8(text).ok()?;
    }
    Some(answer)
}

const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_and_is_nobody_elses() {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(listens(std::process::id(), port));
        assert!(!listens(1, port), "it is ours");
        drop(socket);
        assert!(!listens(std::process::id(), port), "nobody listens any more");
    }

    #[test]
    fn a_free_port_is_below_those_that_clients_get() {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        assert!((0..100).all(|_| free() + COUNT < first));
    }
}
