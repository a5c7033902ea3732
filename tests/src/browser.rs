mod begun;
mod read;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use cloakroom::testing::Jar;
use tokio::io::{AsyncWriteExt, BufStream};
use tokio::net::{TcpSocket, TcpStream};

pub use self::begun::Begun;
use self::read::{read_body, read_head};
use crate::Site;

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

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// All fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// A request with this method and an empty body.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: String::new() }
    }

    /// A GET request.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// A POST request with an empty body.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// With this header, byte for byte. A `Cookie` header takes the place of the browser's own.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }
}

impl Response {
    /// The value of the header, if there is exactly one field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// All values of the header.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The `Set-Cookie` fields.
    pub fn cookies(&self) -> Vec<&str> {
        self.all("set-cookie").collect()
    }
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

impl Request {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { method, path, headers, body } = self;
        let mut bytes =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len())
                .into_bytes();
        for (name, value) in headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body.as_bytes());
        bytes
    }
}
