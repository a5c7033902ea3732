//! What a server says about itself when a connection begins, and whether sessions can be kept in it.

use std::collections::HashMap;

/// What is asked.
pub(crate) const QUESTION: &[u8] = b"version\r\nstats settings\r\nstats\r\n";

/// What a server says before it hangs up, whatever it is asked, when it has as many connections as it takes.
pub(crate) fn is_crowded(input: &[u8]) -> bool {
    input.starts_with(b"ERROR Too many open connections\r\n")
}

/// What a server says when a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) settings: Settings,
    /// What time it is there, in seconds since the Unix epoch. Expiries are read on this clock.
    pub(crate) time: u64,
}

/// How a server was started, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The largest item, in bytes, with its key and all that the server keeps beside it (`-I`).
    pub(crate) largest_item: usize,
    /// Whether live items are forgotten when memory is short, and not new ones refused (no `-M`).
    pub(crate) may_evict: bool,
}

impl Settings {
    /// How long the value under a key may be. Checked before anything is sent: a server that is sent too much removes the
    /// item that it has.
    pub(crate) fn largest_value(&self, key: &str) -> usize {
        self.largest_item.saturating_sub(key.len() + BESIDE_VALUE)
    }
}

/// Why no sessions can be kept in a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// In words, with what to do.
    pub(crate) reason: String,
    /// Whether memcached itself says so. What is not memcached may be something between that has its own troubles, and they may pass.
    pub(crate) is_memcached: bool,
}

impl Unfit {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_memcached: true }
    }
}

/// Reads the answer to [`QUESTION`]: `None` while it is not complete.
///
/// # Errors
/// If no sessions can be kept there.
pub(crate) fn read(input: &[u8]) -> Result<Option<Greeting>, Unfit> {
    let complete = input.windows(2).rposition(|end| end == b"\r\n").map_or(0, |at| at + 2);
    // A setting may be a path in whatever encoding.
    let text = String::from_utf8_lossy(&input[..complete]);
    let mut lines = text.split_terminator("\r\n");
    match lines.next() {
        Some("CLIENT_ERROR unauthenticated") => {
            return Err(Unfit::new(
                "it asks for a password, which is not supported: start it without -Y, where only your \
                 own machines reach it",
            ));
        }
        Some(line) => check_version(line.strip_prefix("VERSION ").ok_or_else(not_memcached)?)?,
        None if !input.is_ascii() => return Err(not_memcached()),
        None => return unfinished(input),
    }

    let Some(settings) = read_stats(&mut lines)? else { return unfinished(input) };
    let settings = check_settings(&settings)?;
    let Some(stats) = read_stats(&mut lines)? else { return unfinished(input) };
    let time = stats.get("time").and_then(|time| time.parse().ok()).ok_or_else(not_memcached)?;
    Ok(Some(Greeting { settings, time }))
}

/// The names and values up to the next `END`; `None` if it is not there yet.
fn read_stats<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
) -> Result<Option<HashMap<&'a str, &'a str>>, Unfit> {
    let mut stats = HashMap::new();
    for line in lines {
        if line == "END" {
            return Ok(Some(stats));
        }
        let stat = line.strip_prefix("STAT ").and_then(|line| line.split_once(' '));
        stats.extend([stat.ok_or_else(not_memcached)?]);
    }
    Ok(None)
}

fn check_settings(settings: &HashMap<&str, &str>) -> Result<Settings, Unfit> {
    let setting = |name| settings.get(name).copied().ok_or_else(not_memcached);
    if setting("cas_enabled")? != "yes" {
        return Err(Unfit::new(
            "it runs with -C, which takes away the CAS numbers that keep updates from being lost: start \
             it without -C",
        ));
    }
    let largest_item = setting("item_size_max")?.parse().map_err(|_| not_memcached())?;
    if largest_item < LEAST_LARGEST_ITEM {
        return Err(Unfit::new(format!(
            "its largest item has {largest_item} bytes, too few for sessions: start it with -I 1m"
        )));
    }
    Ok(Settings { largest_item, may_evict: setting("evictions")? != "off" })
}

fn check_version(version: &str) -> Result<(), Unfit> {
    let mut parts = version.split(['.', '-', '_', ' ']).map_while(|part| part.parse::<u32>().ok());
    let found = [(); 3].map(|()| parts.next());
    let [Some(major), Some(minor), Some(patch)] = found else { return Err(not_memcached()) };
    if [major, minor, patch] < OLDEST {
        let reason = format!("it is memcached {major}.{minor}.{patch}, but 1.6.18 or later is needed");
        return Err(Unfit::new(reason));
    }
    Ok(())
}

fn unfinished(input: &[u8]) -> Result<Option<Greeting>, Unfit> {
    if input.len() > LONGEST_ANSWER { Err(not_memcached()) } else { Ok(None) }
}

fn not_memcached() -> Unfit {
    Unfit { reason: "the server there does not seem to be memcached".into(), is_memcached: false }
}

/// The oldest version that this was tried with.
const OLDEST: [u32; 3] = [1, 6, 18];
/// What memcached 1.6.18 keeps beside key and value is 59 bytes; the rest is for versions to come.
const BESIDE_VALUE: usize = 512;
/// So that 128 KiB of data fit, which every store takes, with a key, a subject and a lease.
const LEAST_LARGEST_ITEM: usize = (128 << 10) + 2_048;
const LONGEST_ANSWER: usize = 64 << 10;

#[cfg(test)]
mod tests;
