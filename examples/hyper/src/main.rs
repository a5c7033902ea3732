//! Sessions in hyper alone: a counter, a login, and messages that are shown once.

mod html;
mod pages;

use cloakroom::http_v1;
use cloakroom::stores::MemoryStore;
use cloakroom::{SessionManager, Settings};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cookies know no ports: the default name would be shared by all examples at localhost.
    let settings = Settings::new().cookie_name("__Host-hyper");
    let sessions = SessionManager::new(MemoryStore::new(), settings)?;

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>());
    let port = port.map_err(|_| "PORT must be a number from 0 to 65535")?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue }; // the next may come through
        let sessions = sessions.clone();
        // Each request gets its session; what the page does to it is saved before the response leaves.
        let service = service_fn(move |request| http_v1::serve(sessions.clone(), request, pages::answer));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
