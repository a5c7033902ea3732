use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::lifetime::ServerClock;
use crate::protocol::Command;
use crate::settings::Settings;

/// The life of a connection whose server does this.
async fn life(server: impl AsyncFnOnce(DuplexStream)) -> bool {
    let (client, end) = duplex(1 << 10);
    let settings = Settings { largest_item: 1 << 20, may_evict: true };
    #[allow(clippy::disallowed_methods, reason = "no rule depends on this time")]
    let clock = ServerClock::new(0, tokio::time::Instant::now());
    let (connection, queue) = Connection::new(settings, clock);
    let opened = Opened { stream: Box::new(client), settings, clock };
    let mut deadline = Deadline::after(Duration::from_secs(60));
    let call = connection.call("a", &Command::Get, &mut deadline);
    let (good, _, ()) = tokio::join!(run(opened, queue, Duration::from_secs(9)), call, server(end));
    good
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_as_soon_as_it_is_made_was_good_for_nothing() {
    assert!(!life(async |server| drop(server)).await);
    let out_of_step = life(async |mut server| {
        server.write_all(b"ERROR\r\n").await.unwrap();
        sleep(Duration::from_millis(1)).await;
    });
    assert!(!out_of_step.await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_gave_an_answer_was_good_for_something() {
    let answering = life(async |mut server| {
        server.read_exact(&mut [0; b"mg a v c t k O1\r\n".len()]).await.unwrap();
        server.write_all(b"EN ka O1\r\n").await.unwrap();
    });
    assert!(answering.await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_lasted_for_a_while_was_good_for_something() {
    assert!(life(async |_server| sleep(A_WHILE + Duration::from_millis(1)).await).await);
    assert!(!life(async |_server| sleep(A_WHILE - Duration::from_millis(1)).await).await);
}
