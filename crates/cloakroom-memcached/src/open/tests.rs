use std::net::Ipv6Addr;

use tokio::io::duplex;
use tokio::net::TcpListener;

use super::*;

const GREETING: &[u8] = b"VERSION 1.6.18\r\nSTAT evictions on\r\nSTAT cas_enabled yes\r\n\
    STAT item_size_max 1048576\r\nEND\r\n";

/// Greets so many connections, each of which ends then.
async fn greet_next(listener: &TcpListener, count: usize) {
    for _ in 0..count {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut vec![0; settings::QUESTION.len()]).await.unwrap();
        stream.write_all(GREETING).await.unwrap();
    }
}

#[tokio::test]
async fn of_several_servers_with_one_name_none_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let one = listener.local_addr().unwrap();
    let other = SocketAddr::new([127, 0, 0, 2].into(), one.port());
    tokio::select! {
        found = Place::find_among("cache:1".into(), vec![one, other]) => match found {
            Err(Problem::Unsuitable(reason)) => assert!(reason.contains("name each server"), "{reason}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("one of them was taken"),
        },
        () = greet_next(&listener, 1) => panic!("one of them was asked"),
    }
}

#[tokio::test]
async fn of_the_two_addresses_of_localhost_the_one_that_answers_is_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let silent = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), at.port());
    let greeting = tokio::spawn(async move { greet_next(&listener, 2).await });
    // A name that cannot be looked up later.
    let found = Place::find_among("no port".into(), vec![silent, at]).await;
    let (mut place, _) = found.unwrap_or_else(|problem| panic!("{problem}"));
    assert!(place.open_again().await.is_ok());
    greeting.await.unwrap();
    assert!(format!("{place:?}").contains(&at.to_string()), "{place:?}");
}

/// It hangs up before it is asked anything.
#[tokio::test]
async fn a_server_that_takes_no_more_connections_is_heard_out() {
    let (client, mut server) = duplex(1 << 10);
    server.write_all(b"ERROR Too many open connections\r\n").await.unwrap();
    drop(server);
    let Err(problem) = greet(Box::new(client)).await else { panic!("it is full") };
    assert!(matches!(problem, Problem::Crowded), "{problem}");
}

#[tokio::test]
async fn a_server_that_hangs_up_without_a_word_cannot_be_reached() {
    let (client, server) = duplex(1 << 10);
    drop(server);
    let Err(problem) = greet(Box::new(client)).await else { panic!("nobody is there") };
    assert!(matches!(problem, Problem::Failed(_)), "{problem}");
}
