use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use cloakroom::testing::Jar;
use tokio::io::{AsyncWriteExt, BufStream};
use tokio::net::{TcpSocket, TcpStream};

use crate::message::{Request, Response, read_body, read_chunk, read_head};
use crate::site::Site;

/// A browser on a raw socket: it speaks HTTP/1.1 byte by byte, and keeps cookies as RFC 6265bis says.
///
/// One connection, one request at a time; [`tab`](Self::tab) opens another over the same cookies.
#[derive(Debug)]
pub struct Browser {
    pub(crate) address: SocketAddr,
    /// Where it connects from, if not from wherever the system likes.
    own_address: Option<IpAddr>,
    jar: Arc<Mutex<Jar>>,
    connection: tokio::sync::Mutex<Option<BufStream<TcpStream>>>,
}

impl Browser {
    /// A browser without cookies.
    pub fn new(site: &Site) -> Self {
        Self::at(site.address)
    }

    /// The same for any loopback server.
    pub fn at(address: SocketAddr) -> Self {
        let jar = Arc::new(Mutex::new(Jar::new("localhost")));
        Self { address, own_address: None, jar, connection: Default::default() }
    }

    /// Another connection of the same browser.
    pub fn tab(&self) -> Self {
        Self { own_address: self.own_address, ..self.at_address(self.address) }
    }

    /// The same browser, in another network: its connections come from this address.
    pub fn moved_to(&self, own_address: IpAddr) -> Self {
        Self { own_address: Some(own_address), ..self.tab() }
    }

    /// The same browser, at another server of the same site.
    pub fn at_server(&self, site: &Site) -> Self {
        self.at_address(site.address)
    }

    /// The same, at any loopback server.
    pub fn at_address(&self, address: SocketAddr) -> Self {
        Self { address, own_address: None, jar: Arc::clone(&self.jar), connection: Default::default() }
    }

    /// Its cookies.
    pub fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap()
    }

    /// The value of the session cookie under its default name.
    pub fn token(&self) -> Option<String> {
        self.jar().get("__Host-id").map(str::to_owned)
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> Response {
        self.send(Request::get(path)).await
    }

    /// Sends a POST request.
    pub async fn post(&self, path: &str) -> Response {
        self.send(Request::post(path)).await
    }

    /// Sends a request with the cookies it has, and keeps those that come back. It claims to speak HTTPS, as a browser
    /// does of `localhost`.
    pub async fn send(&self, request: Request) -> Response {
        self.try_send(request).await.unwrap()
    }

    /// The same to a server that may die: an error if no whole response comes. The next request goes through a new
    /// connection then.
    ///
    /// # Errors
    /// The connection's.
    pub async fn try_send(&self, request: Request) -> io::Result<Response> {
        let request = self.with_cookies(request);
        let response = self.exchange(&request.to_bytes(), request.method != "HEAD").await?;
        self.keep_cookies(&request.path, &response);
        Ok(response)
    }

    /// The same, but the response gets lost: no cookie is kept.
    pub async fn send_and_ignore_cookies(&self, request: Request) -> Response {
        self.raw(&self.with_cookies(request).to_bytes()).await
    }

    /// Sends these bytes as they are, and reads a response.
    pub async fn raw(&self, bytes: &[u8]) -> Response {
        self.exchange(bytes, true).await.unwrap()
    }

    async fn exchange(&self, bytes: &[u8], has_body: bool) -> io::Result<Response> {
        let mut connection = self.connection.lock().await;
        // Taken out, and put back only if it is still good.
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        stream.write_all(bytes).await?;
        stream.flush().await?;
        let mut response = read_head(&mut stream).await?;
        if has_body {
            read_body(&mut stream, &mut response).await?;
        }
        if response.header("connection") != Some("close") {
            *connection = Some(stream);
        }
        Ok(response)
    }

    async fn connect(&self) -> io::Result<BufStream<TcpStream>> {
        let stream = match self.own_address {
            None => TcpStream::connect(self.address).await?,
            Some(own) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind((own, 0).into())?;
                socket.connect(self.address).await?
            }
        };
        Ok(BufStream::new(stream))
    }

    fn with_cookies(&self, request: Request) -> Request {
        let own = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        match self.jar().cookie_header(&request.path, true) {
            Some(cookies) if !own => request.header("Cookie", cookies),
            _ => request,
        }
    }

    pub(crate) fn keep_cookies(&self, path: &str, response: &Response) {
        for cookie in response.cookies() {
            self.jar().receive(cookie, path, true).unwrap();
        }
    }

    /// Sends a request on a connection of its own, and waits for the head of the response; the body may go on for long.
    pub async fn begin(&self, request: Request) -> Begun {
        let request = self.with_cookies(request);
        let mut stream = self.connect().await.unwrap();
        stream.write_all(&request.to_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let head = read_head(&mut stream).await.unwrap();
        self.keep_cookies(&request.path, &head);
        Begun { head, stream }
    }

    /// Sends a request and hangs up as soon as `arrived` is ready, without waiting for a response.
    pub async fn hang_up(&self, request: Request, arrived: impl Future<Output = ()>) {
        let mut stream = self.connect().await.unwrap();
        stream.write_all(&self.with_cookies(request).to_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        arrived.await;
    }
}

/// A response whose head has come, and whose body may still be on its way. Dropped, the client has hung up.
#[derive(Debug)]
pub struct Begun {
    /// What has come: a response without a body.
    pub head: Response,
    stream: BufStream<TcpStream>,
}

impl Begun {
    /// Waits for the next piece of the body, one chunk (RFC 9112 §7.1), and adds it to what has come.
    pub async fn piece(&mut self) -> String {
        let piece = String::from_utf8(read_chunk(&mut self.stream).await.unwrap()).unwrap();
        self.head.body.push_str(&piece);
        piece
    }

    /// Waits for the rest.
    pub async fn finish(self) -> Response {
        self.try_finish().await.unwrap()
    }

    /// The same for a body that may be cut off.
    ///
    /// # Errors
    /// The connection's.
    pub async fn try_finish(mut self) -> io::Result<Response> {
        read_body(&mut self.stream, &mut self.head).await?;
        Ok(self.head)
    }
}
