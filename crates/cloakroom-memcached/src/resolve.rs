//! Which address the name of a server stands for.
//!
//! Invariant: a name is one server. Were it several, a session would be looked for on one of them and be on another: an
//! outage of one would read as "no session", and what was deleted would come back.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

/// The name of a server that was connected to, and at which address.
pub(crate) struct Location {
    name: String,
    /// Where it was when a connection was made last.
    last: SocketAddr,
    /// A question that took too long to be waited for. It is kept, and not asked again: behind it is a thread that
    /// cannot be stopped.
    pending: Option<Pin<Box<Lookup>>>,
}

type Lookup = dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send;

impl Location {
    pub(crate) fn new(name: String, at: SocketAddr) -> Self {
        Self { name, last: at, pending: None }
    }

    /// Where to look for the server after its connection ended. It may have moved; but if its name leads to several
    /// addresses now, or to none, or nowhere within [`LONGEST_LOOKUP`], it is where it was.
    pub(crate) async fn look_up(&mut self) -> SocketAddr {
        let pending = self.pending.get_or_insert_with(|| Box::pin(resolve(self.name.clone())));
        let Ok(found) = timeout(LONGEST_LOOKUP, pending).await else { return self.last };
        self.pending = None;
        match found.as_deref() {
            Ok([moved]) => *moved,
            _ => self.last,
        }
    }

    /// There is a connection to it at this address.
    pub(crate) fn found(&mut self, at: SocketAddr) {
        self.last = at;
        // The next time this would be an old answer.
        self.pending = None;
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location").field("name", &self.name).field("last", &self.last).finish_non_exhaustive()
    }
}

/// All addresses of `name`, a host and a port.
pub(crate) async fn resolve(name: String) -> io::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for address in lookup_host(name).await? {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    Ok(found)
}

/// Why not, if these may be addresses of several servers. One machine's own two, as `localhost` has, are those of one.
pub(crate) fn check(found: &[SocketAddr]) -> Result<(), String> {
    match found {
        [] => Err("its name has no address".into()),
        [_] => Ok(()),
        [one, other]
            if one.ip().is_loopback() && other.ip().is_loopback() && one.is_ipv4() != other.is_ipv4() =>
        {
            Ok(())
        }
        several => {
            let list: Vec<_> = several.iter().map(|address| address.ip().to_string()).collect();
            Err(format!(
                "its name has {} addresses ({}), which may be as many servers: name each server, or write its address",
                list.len(),
                list.join(", ")
            ))
        }
    }
}

/// How long a name is asked for, before the address is tried that was good until now.
pub(crate) const LONGEST_LOOKUP: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
