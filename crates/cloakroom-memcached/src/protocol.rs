//! The few meta commands that a store needs, as bytes: requests out, answers in. Nothing here waits for anything.
//!
//! Every request asks for its key (`k`) and a number (`O`) back. An answer that does not carry both is not an answer to
//! that request, so that a connection which got out of step is noticed at once. The commands are those of memcached's
//! [`protocol.txt`](https://github.com/memcached/memcached/blob/1.6.18/doc/protocol.txt), "Meta Commands".

use std::fmt;
use std::io::Write;

use crate::lifetime::Lifetime;

/// What is asked of a server about one key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command<'a> {
    /// The value, its CAS number, and how long it is kept.
    Get,
    /// Stores a value where there is none.
    Add { value: &'a [u8], expires: i32 },
    /// Stores a value where the item still has this CAS number.
    Swap { value: &'a [u8], expires: i32, cas: u64 },
    /// Removes the item.
    Delete,
}

/// The request as it goes over the wire. The key is one word of printable ASCII.
pub(crate) fn encode(command: &Command<'_>, key: &str, number: u64) -> Vec<u8> {
    let value = match command {
        Command::Add { value, .. } | Command::Swap { value, .. } => Some(*value),
        Command::Get | Command::Delete => None,
    };
    let mut out = Vec::with_capacity(MOST_AROUND + key.len() + value.map_or(0, <[u8]>::len));
    let len = value.map_or(0, <[u8]>::len);
    let written = match command {
        Command::Get => write!(out, "mg {key} v c t k O{number}\r\n"),
        Command::Add { expires, .. } => write!(out, "ms {key} {len} ME T{expires} k O{number}\r\n"),
        Command::Swap { expires, cas, .. } => {
            write!(out, "ms {key} {len} C{cas} T{expires} k O{number}\r\n")
        }
        Command::Delete => write!(out, "md {key} k O{number}\r\n"),
    };
    written.expect("memory takes all bytes");
    if let Some(value) = value {
        out.extend_from_slice(value);
        out.extend_from_slice(END);
    }
    out
}

/// Asks for nothing but an answer.
pub(crate) const NOOP: &[u8] = b"mn\r\n";

/// What the answer to a request must look like.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) kind: Kind,
    pub(crate) key: Box<str>,
    pub(crate) number: u64,
}

/// The commands, without what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    Add,
    Swap,
    Delete,
    /// [`NOOP`]. Its answer names nothing, and no caller waits for it.
    Noop,
}

impl Command<'_> {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Command::Get => Kind::Get,
            Command::Add { .. } => Kind::Add,
            Command::Swap { .. } => Kind::Swap,
            Command::Delete => Kind::Delete,
        }
    }
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The item, for [`Command::Get`].
    Found { cas: u64, left: Lifetime, value: Vec<u8> },
    /// It was done, for the others.
    Done,
    /// There is no such item.
    Missing,
    /// [`Command::Add`] found an item.
    Exists,
    /// [`Command::Swap`] found another CAS number.
    Changed,
    /// The value is larger than the server takes. If there was an item, the server has *removed* it, even for
    /// [`Command::Add`].
    TooLarge,
    /// The server has no memory for the value. If there was an item, the server has *removed* it, even for
    /// [`Command::Add`].
    NoMemory,
}

impl fmt::Debug for Outcome {
    /// Does not show the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Found { .. } => "Found",
            Self::Done => "Done",
            Self::Missing => "Missing",
            Self::Exists => "Exists",
            Self::Changed => "Changed",
            Self::TooLarge => "TooLarge",
            Self::NoMemory => "NoMemory",
        })
    }
}

/// The server said something that is no answer to the request: nothing after it can be relied on either. Says what was
/// wrong with it, never what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfStep(pub(crate) &'static str);

/// Reads the answer to a request off the beginning of `input`: what it was, and how long. `None` if it is not complete yet.
/// Values longer than `largest` are not waited for.
pub(crate) fn read_answer(
    input: &[u8],
    expected: &Expected,
    largest: usize,
) -> Result<Option<(Outcome, usize)>, OutOfStep> {
    let Some(line_len) = find_end(input)? else { return Ok(None) };
    let line = &input[..line_len];
    let rest = &input[line_len + END.len()..];
    let used = line_len + END.len();
    if let Some(refused) = refusal(line, expected.kind)? {
        return Ok(Some((refused, used)));
    }

    if expected.kind == Kind::Noop {
        return if line == b"MN" { Ok(Some((Outcome::Done, used))) } else { Err(ANOTHER_COMMAND) };
    }

    let mut words = line.split(|byte| *byte == b' ');
    let status = words.next().unwrap_or_default();
    let len = match status {
        b"VA" => Some(words.next().and_then(digits).ok_or(OutOfStep("a value without a length"))?),
        _ => None,
    };
    let flags = Flags::read(words)?;
    flags.check(expected)?;
    let outcome = match (expected.kind, status) {
        (Kind::Get, b"VA") => {
            let len = len.and_then(|len| usize::try_from(len).ok()).filter(|len| *len <= largest);
            let len = len.ok_or(OutOfStep("a value longer than the server takes"))?;
            // CAS numbers begin with 1; 0 is what a server without them says.
            let cas = flags.cas.filter(|cas| *cas != 0).ok_or(OutOfStep("a value without a CAS number"))?;
            let left = flags.left.ok_or(OutOfStep("a value without its lifetime"))?;
            let Some(tail) = rest.get(len..len + END.len()) else { return Ok(None) };
            if tail != END {
                return Err(OutOfStep("a value of another length than it said"));
            }
            let value = rest[..len].to_vec();
            return Ok(Some((Outcome::Found { cas, left, value }, used + len + END.len())));
        }
        (Kind::Get, b"EN") | (Kind::Swap | Kind::Delete, b"NF") => Outcome::Missing,
        (Kind::Add | Kind::Swap | Kind::Delete, b"HD") => Outcome::Done,
        (Kind::Add, b"NS") => Outcome::Exists,
        (Kind::Swap, b"EX") => Outcome::Changed,
        _ => return Err(ANOTHER_COMMAND),
    };
    Ok(Some((outcome, used)))
}

/// Where the first line ends.
fn find_end(input: &[u8]) -> Result<Option<usize>, OutOfStep> {
    let within = &input[..input.len().min(LONGEST_LINE)];
    match within.windows(END.len()).position(|window| window == END) {
        None if input.len() >= LONGEST_LINE => Err(OutOfStep("a line that does not end")),
        found => Ok(found),
    }
}

/// The errors after which the connection can be used further. They carry neither key nor number; all others mean that the
/// server did not understand what it read.
fn refusal(line: &[u8], kind: Kind) -> Result<Option<Outcome>, OutOfStep> {
    let stores = matches!(kind, Kind::Add | Kind::Swap);
    match line {
        b"SERVER_ERROR object too large for cache" if stores => Ok(Some(Outcome::TooLarge)),
        // The second is for values of several chunks. The server reads the rest of the value off before it says so.
        b"SERVER_ERROR out of memory storing object" | b"SERVER_ERROR Out of memory during read"
            if stores =>
        {
            Ok(Some(Outcome::NoMemory))
        }
        _ if line.starts_with(b"SERVER_ERROR") => Err(OutOfStep("a server error")),
        _ if line.starts_with(b"CLIENT_ERROR") => Err(OutOfStep("a client error")),
        _ if line.starts_with(b"ERROR") => Err(OutOfStep("an error")),
        _ => Ok(None),
    }
}

/// What follows the status. Flags that were not asked for are passed over: they say that an item is stale or old.
struct Flags<'a> {
    key: Option<&'a [u8]>,
    number: Option<u64>,
    cas: Option<u64>,
    left: Option<Lifetime>,
}

impl<'a> Flags<'a> {
    fn read(words: impl Iterator<Item = &'a [u8]>) -> Result<Self, OutOfStep> {
        let mut flags = Self { key: None, number: None, cas: None, left: None };
        for word in words {
            let (flag, token) = word.split_first().ok_or(OutOfStep("a blank too many"))?;
            let twice = match flag {
                b'k' => flags.key.replace(token).is_some(),
                b'O' => flags.number.replace(digits(token).ok_or(BAD_NUMBER)?).is_some(),
                b'c' => flags.cas.replace(digits(token).ok_or(BAD_NUMBER)?).is_some(),
                b't' => flags.left.replace(lifetime(token).ok_or(BAD_NUMBER)?).is_some(),
                _ => false,
            };
            if twice {
                return Err(OutOfStep("a flag that is there twice"));
            }
        }
        Ok(flags)
    }

    fn check(&self, expected: &Expected) -> Result<(), OutOfStep> {
        if self.number != Some(expected.number) {
            return Err(OutOfStep("the answer to another request"));
        }
        if self.key != Some(expected.key.as_bytes()) {
            return Err(OutOfStep("the answer for another key"));
        }
        Ok(())
    }
}

/// A decimal number of 64 bits, without a sign.
fn digits(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// So many seconds, or -1. In the last one there may be 0 left.
fn lifetime(text: &[u8]) -> Option<Lifetime> {
    if text == b"-1" { Some(Lifetime::Forever) } else { Some(Lifetime::Seconds(digits(text)?.max(1))) }
}

const END: &[u8] = b"\r\n";
const ANOTHER_COMMAND: OutOfStep = OutOfStep("the answer to another command");
const BAD_NUMBER: OutOfStep = OutOfStep("a number that is none");
/// Longer than any line that answers a request: a key has 250 bytes at most.
const LONGEST_LINE: usize = 1_024;
/// Everything in a request but the key and the value: about three numbers.
const MOST_AROUND: usize = 96;

#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
#[cfg(test)]
mod tests;
