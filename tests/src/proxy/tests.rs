use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn bytes_pass_in_both_directions_up_to_the_end() {
    let (proxy, mut arrived) = echo().await;
    let mut client = connect(&proxy).await;
    assert_eq!(ask(&mut client, "coat").await.unwrap(), "coat");
    assert_eq!(ask(&mut client, "hat").await.unwrap(), "hat");
    client.shutdown().await.unwrap();
    assert_eq!(read(&mut client).await.unwrap(), 0, "the server has seen the end, and answered it");
    assert_eq!((arrived.recv().await, arrived.recv().await), (Some("coat".into()), Some("hat".into())));
    assert_eq!(arrived.recv().await.as_deref(), Some(""));
}

#[tokio::test]
async fn more_than_fits_at_once_passes_as_it_is() {
    let (proxy, _arrived) = echo().await;
    let (mut from, mut to) = connect(&proxy).await.into_split();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
    let sending = sent.clone();
    tokio::spawn(async move { to.write_all(&sending).await.unwrap() });
    let mut came = vec![0; sent.len()];
    from.read_exact(&mut came).await.unwrap();
    assert!(came == sent);
}

#[tokio::test]
async fn a_round_trip_is_what_waits_for_an_answer() {
    let (proxy, mut arrived) = echo().await;
    let mut client = connect(&proxy).await;
    assert_eq!((proxy.round_trips(), proxy.connections()), (0, 0));
    ask(&mut client, "one").await.unwrap();
    assert_eq!((proxy.round_trips(), proxy.connections()), (1, 1));
    // Two without waiting: "." asks the server not to answer.
    for part in [".tw", "o"] {
        client.write_all(part.as_bytes()).await.unwrap();
        arrived.recv().await.unwrap();
    }
    assert_eq!(read(&mut client).await.unwrap(), 1, "the second part");
    assert_eq!(proxy.round_trips(), 2);
    ask(&mut connect(&proxy).await, "three").await.unwrap();
    assert_eq!((proxy.round_trips(), proxy.connections()), (3, 2));
}

#[tokio::test]
async fn a_request_that_is_cut_never_arrives() {
    let (proxy, mut arrived) = echo().await;
    let mut client = connect(&proxy).await;
    proxy.cut(2, Cut::Request);
    assert_eq!(ask(&mut client, "coat").await.unwrap(), "coat");
    assert!(!proxy.has_cut());
    ask(&mut client, "hat").await.unwrap_err();
    assert!(proxy.has_cut());
    assert_eq!(arrived.recv().await.as_deref(), Some("coat"));
    assert_ne!(arrived.recv().await.as_deref(), Some("hat"));
    assert_eq!(ask(&mut connect(&proxy).await, "hat").await.unwrap(), "hat", "only that one fails");
}

#[tokio::test]
async fn an_answer_that_is_cut_belongs_to_a_request_that_arrived() {
    let (proxy, mut arrived) = echo().await;
    let mut client = connect(&proxy).await;
    proxy.cut(1, Cut::Answer);
    ask(&mut client, "coat").await.unwrap_err();
    assert_eq!(arrived.recv().await.as_deref(), Some("coat"));
    assert_eq!(ask(&mut connect(&proxy).await, "hat").await.unwrap(), "hat", "only that one fails");
}

#[tokio::test]
async fn in_a_silence_nothing_arrives_until_it_ends() {
    let (proxy, mut arrived) = echo().await;
    let mut client = connect(&proxy).await;
    ask(&mut client, "coat").await.unwrap();
    assert_eq!(arrived.recv().await.as_deref(), Some("coat"));
    proxy.silence();
    let mut newcomer = connect(&proxy).await;
    for client in [&mut client, &mut newcomer] {
        client.write_all(b"hat").await.unwrap();
        timeout(A_WHILE, client.read(&mut [0; 8])).await.unwrap_err();
    }
    assert!(arrived.try_recv().is_err());
    proxy.heal().await;
    for client in [&mut client, &mut newcomer] {
        let mut answer = [0; 3];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hat", "late, but whole");
    }
}

#[tokio::test]
async fn a_silence_can_begin_with_a_request() {
    let (proxy, mut arrived) = echo().await;
    let mut client = connect(&proxy).await;
    proxy.cut(2, Cut::Silence);
    ask(&mut client, "coat").await.unwrap();
    timeout(A_WHILE, ask(&mut client, "hat")).await.unwrap_err();
    assert_eq!(arrived.recv().await.as_deref(), Some("coat"));
    assert!(arrived.try_recv().is_err());
    proxy.heal().await;
    assert_eq!(arrived.recv().await.as_deref(), Some("hat"));
}

#[tokio::test]
async fn when_it_refuses_connections_end_and_none_begin() {
    let (proxy, _arrived) = echo().await;
    let mut client = connect(&proxy).await;
    ask(&mut client, "coat").await.unwrap();
    proxy.refuse();
    assert!(matches!(read(&mut client).await, Ok(0) | Err(_)));
    // The listener goes as soon as its task runs.
    while TcpStream::connect(address(&proxy)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    proxy.heal().await;
    assert_eq!(ask(&mut connect(&proxy).await, "hat").await.unwrap(), "hat");
}

#[tokio::test]
async fn several_servers_are_one_network() {
    let ((one, mut at_one), (two, mut at_two)) = (echo().await, echo().await);
    let both = Proxy::start([address(&one), address(&two)]).await;
    let url = format!("echo://{},{}/", address(&one), address(&two));
    let addresses: Vec<SocketAddr> = both.addresses().collect();
    assert_eq!(both.instead_of(&url), format!("echo://{},{}/", addresses[0], addresses[1]));
    ask(&mut TcpStream::connect(addresses[0]).await.unwrap(), "coat").await.unwrap();
    both.cut(2, Cut::Answer);
    ask(&mut TcpStream::connect(addresses[1]).await.unwrap(), "hat").await.unwrap();
    ask(&mut TcpStream::connect(addresses[0]).await.unwrap(), "scarf").await.unwrap_err();
    assert_eq!((both.round_trips(), both.connections()), (3, 3));
    assert_eq!(at_one.recv().await.as_deref(), Some("coat"));
    assert_eq!(at_two.recv().await.as_deref(), Some("hat"));
}

/// Behind a proxy, a server that answers what it hears, but for what begins with a dot; it says what arrived, and "" for the end.
async fn echo() -> (Proxy, UnboundedReceiver<String>) {
    let (sender, arrived) = unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0; 1024];
                while let Ok(length) = stream.read(&mut bytes).await {
                    let heard = &bytes[..length];
                    let _ = sender.send(String::from_utf8_lossy(heard).into_owned());
                    if length == 0 || (!heard.starts_with(b".") && stream.write_all(heard).await.is_err()) {
                        return;
                    }
                }
            });
        }
    });
    (Proxy::start([address]).await, arrived)
}

fn address(proxy: &Proxy) -> SocketAddr {
    proxy.addresses().next().unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(address(proxy)).await.unwrap()
}

async fn ask(client: &mut TcpStream, text: &str) -> io::Result<String> {
    client.write_all(text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    client.read_exact(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What comes next; the test fails if nothing does.
async fn read(client: &mut TcpStream) -> io::Result<usize> {
    timeout(PATIENCE, client.read(&mut [0; 8])).await.expect("bytes, or the end")
}

const PATIENCE: Duration = Duration::from_secs(20);
/// Long for bytes that arrive at all.
const A_WHILE: Duration = Duration::from_millis(50);
