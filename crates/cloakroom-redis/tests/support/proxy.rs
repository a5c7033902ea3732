//! A network between a store and a server, which can begin to swallow what it carries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Proxy {
    pub(crate) port: u16,
    swallows: Arc<std::sync::Mutex<Arc<AtomicBool>>>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let swallows = Arc::new(std::sync::Mutex::new(Arc::new(AtomicBool::new(false))));
        let current = Arc::clone(&swallows);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let flag = Arc::clone(&current.lock().unwrap());
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (client, server) = (client.into_split(), server.into_split());
                tokio::spawn(carry(client.0, server.1, Arc::clone(&flag)));
                tokio::spawn(carry(server.0, client.1, flag));
            }
        });
        Self { port: own, swallows }
    }

    /// From now on nothing goes through the connections that there are. Those that are made later work.
    pub(crate) fn swallow(&self) {
        let mut swallows = self.swallows.lock().unwrap();
        swallows.store(true, Ordering::SeqCst);
        *swallows = Arc::default();
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, swallows: Arc<AtomicBool>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        if !swallows.load(Ordering::SeqCst) && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
