use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What stands between a store and its servers in a test: it passes bytes in both directions, counts round trips, and lets the
/// network fail in one place.
///
/// A round trip is a request that goes out when an answer was the last thing seen on the connection, or nothing was: what a
/// client sends without waiting is one. Greetings and logins count as well, so use connections before you count.
#[derive(Debug)]
pub struct Proxy {
    routes: Vec<Route>,
    network: Arc<Network>,
}

/// Who listens in whose place.
#[derive(Clone, Copy, Debug)]
struct Route {
    address: SocketAddr,
    server: SocketAddr,
}

/// A way for one round trip to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The connection ends before the request arrives: the server never sees it.
    Request,
    /// The connection ends after the request was carried out, before its answer arrives.
    Answer,
    /// Nothing arrives any more from this request on, and no connection ends.
    Silence,
}

#[derive(Debug)]
struct Network {
    weather: watch::Sender<Weather>,
    count: Mutex<Count>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// Everything arrives.
    Fair,
    /// What is sent stays on the way.
    Silent,
    /// Nobody listens, and connections end.
    Down,
}

#[derive(Debug, Default)]
struct Count {
    round_trips: usize,
    connections: usize,
    /// Round trips until this one, which fails.
    planned: Option<(usize, Cut)>,
}

impl Proxy {
    /// Stands in front of the servers at these addresses, with a port for each. They are one network: what is counted and
    /// what fails is that of all together.
    pub async fn start(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        let network =
            Arc::new(Network { weather: watch::Sender::new(Weather::Fair), count: Mutex::default() });
        let mut routes = Vec::new();
        for server in servers {
            let listener = loop {
                let address = SocketAddr::from(([127, 0, 0, 1], cloakroom_test_services::free_port()));
                // Somebody may take the port between the look at it and now.
                if let Ok(listener) = TcpListener::bind(address).await {
                    break listener;
                }
            };
            routes.push(Route { address: listener.local_addr().unwrap(), server });
            tokio::spawn(Arc::clone(&network).accept(listener, server));
        }
        Self { routes, network }
    }

    /// Where it listens, in the place of each server.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.routes.iter().map(|route| route.address)
    }

    /// The text with our addresses in the place of the servers' own.
    pub fn instead_of(&self, url: &str) -> String {
        self.routes.iter().fold(url.to_owned(), |url, route| {
            url.replace(&route.server.to_string(), &route.address.to_string())
        })
    }

    /// How many round trips there have been.
    pub fn round_trips(&self) -> usize {
        self.network.count().round_trips
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.network.count().connections
    }

    /// Lets one round trip fail: the next for 1, the one after it for 2.
    pub fn cut(&self, nth: usize, how: Cut) {
        assert!(nth > 0, "the next one is the first");
        self.network.count().planned = Some((nth, how));
    }

    /// Whether no round trip is still to fail.
    pub fn has_cut(&self) -> bool {
        self.network.count().planned.is_none()
    }

    /// Lets nothing arrive any more, without a word to anybody: new connections get no answer either.
    pub fn silence(&self) {
        self.network.weather.send_replace(Weather::Silent);
    }

    /// Ends all connections, and refuses new ones.
    pub fn refuse(&self) {
        self.network.weather.send_replace(Weather::Down);
    }

    /// Lets everything through again, also what was sent during a silence; nothing is planned any more.
    pub async fn heal(&self) {
        self.network.count().planned = None;
        if self.network.weather.send_replace(Weather::Fair) == Weather::Down {
            for route in &self.routes {
                let listener = listen_again(route.address).await;
                tokio::spawn(Arc::clone(&self.network).accept(listener, route.server));
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
    }
}

/// The socket before it may be still on its way to be closed.
async fn listen_again(address: SocketAddr) -> TcpListener {
    for _ in 0..1_000 {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => tokio::time::sleep(A_MOMENT).await,
            Err(error) => panic!("{address}: {error}"),
        }
    }
    panic!("{address} stays in use");
}

const A_MOMENT: Duration = Duration::from_millis(5);

impl Network {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap()
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, server: SocketAddr) {
        let mut weather = self.weather.subscribe();
        loop {
            let client = tokio::select! {
                accepted = listener.accept() => accepted.unwrap().0,
                _ = weather.wait_for(|weather| *weather == Weather::Down) => return,
            };
            self.count().connections += 1;
            let (network, mut weather) = (Arc::clone(&self), weather.clone());
            tokio::spawn(async move {
                tokio::select! {
                    _ = network.connect(client, server) => {}
                    _ = weather.wait_for(|weather| *weather == Weather::Down) => {}
                }
            });
        }
    }

    async fn connect(&self, client: TcpStream, server: SocketAddr) -> io::Result<()> {
        let server = TcpStream::connect(server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let connection = Connection { network: self, turn: Mutex::new(Turn::Asks) };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // Whichever sees the cut first ends both.
        tokio::try_join!(
            connection.pass(from_client, to_server, Connection::asks),
            connection.pass(from_server, to_client, Connection::answers),
        )?;
        Ok(())
    }

    /// Waits while nothing arrives.
    async fn fair(&self) {
        let mut weather = self.weather.subscribe();
        let _ = weather.wait_for(|weather| *weather != Weather::Silent).await;
    }
}

struct Connection<'a> {
    network: &'a Network,
    turn: Mutex<Turn>,
}

/// What the next bytes from the client are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The beginning of a request.
    Asks,
    /// More of it.
    Waits,
    /// More of it, and its answer is not to arrive.
    WaitsInVain,
}

impl Connection<'_> {
    async fn pass(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        may_pass: fn(&Self) -> bool,
    ) -> io::Result<()> {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut bytes).await?;
            self.network.fair().await;
            if length == 0 {
                return to.shutdown().await;
            }
            if !may_pass(self) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            // A silence may have begun with these bytes.
            self.network.fair().await;
            to.write_all(&bytes[..length]).await?;
        }
    }

    /// Bytes came from the client.
    fn asks(&self) -> bool {
        let mut turn = self.turn.lock().unwrap();
        if *turn != Turn::Asks {
            return true;
        }
        *turn = Turn::Waits;
        let mut count = self.network.count();
        count.round_trips += 1;
        let Some((to_go, cut)) = &mut count.planned else { return true };
        *to_go -= 1;
        if *to_go > 0 {
            return true;
        }
        let cut = *cut;
        count.planned = None;
        match cut {
            Cut::Request => return false,
            Cut::Answer => *turn = Turn::WaitsInVain,
            Cut::Silence => _ = self.network.weather.send_replace(Weather::Silent),
        }
        true
    }

    /// Bytes came from the server.
    fn answers(&self) -> bool {
        let mut turn = self.turn.lock().unwrap();
        std::mem::replace(&mut *turn, Turn::Asks) != Turn::WaitsInVain
    }
}

/// The addresses in a URL.
///
/// # Panics
/// If it has none.
pub fn addresses(url: &str) -> Vec<SocketAddr> {
    let (_, rest) = url.rsplit_once("//").unwrap();
    let (_, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    rest.split('/').next().unwrap().split(',').map(|address| address.parse().unwrap()).collect()
}

#[cfg(test)]
mod tests;
