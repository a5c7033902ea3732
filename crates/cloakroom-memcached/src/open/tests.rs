use std::future::{pending, ready};
use std::net::Ipv6Addr;

use tokio::io::duplex;
use tokio::net::TcpListener;

use super::*;

const GREETING: &[u8] = b"VERSION 1.6.18\r\nSTAT evictions on\r\nSTAT cas_enabled yes\r\n\
    STAT item_size_max 1048576\r\nEND\r\nSTAT time 1700000000\r\nEND\r\n";

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
        found = Endpoint::find_among("cache:1".into(), vec![one, other]) => match found {
            Err(Problem::Unsuitable(Unfit { reason, .. })) => assert!(reason.contains("name each server"), "{reason}"),
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
    let found = Endpoint::find_among("no port".into(), vec![silent, at]).await;
    let (mut endpoint, _) = found.unwrap_or_else(|problem| panic!("{problem}"));
    assert!(endpoint.reopen().await.is_ok());
    greeting.await.unwrap();
    assert!(format!("{endpoint:?}").contains(&at.to_string()), "{endpoint:?}");
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

fn addresses(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|address| address.parse().unwrap()).collect()
}

/// A server that was at 10.0.0.1, and what its name leads to now.
fn location(found: impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static) -> Location {
    let mut location = Location::new("cache:1".into(), addresses(&["10.0.0.1:1"])[0]);
    location.pending = Some(Box::pin(found));
    location
}

async fn looked_up(found: io::Result<Vec<SocketAddr>>) -> String {
    location(ready(found)).look_up().await.to_string()
}

#[test]
fn a_name_of_several_servers_is_refused() {
    for several in [
        &["10.0.0.1:1", "10.0.0.2:1"][..],
        &["10.0.0.1:1", "[fd00::1]:1"],
        &["127.0.0.1:1", "127.0.0.2:1"],
        &["127.0.0.1:1", "[fd00::1]:1"],
        &["127.0.0.1:1", "[::1]:1", "10.0.0.1:1"],
    ] {
        let reason = check(&addresses(several)).unwrap_err().reason;
        assert!(
            reason.contains("name each server") && reason.contains("127.0.0.1")
                || reason.contains("10.0.0.1")
        );
    }
    assert!(check(&[]).is_err());
}

#[test]
fn a_name_of_one_server_is_taken() {
    for one in
        [&["10.0.0.1:1"][..], &["[fd00::1]:1"], &["127.0.0.1:1", "[::1]:1"], &["[::1]:1", "127.0.0.1:1"]]
    {
        assert_eq!(check(&addresses(one)), Ok(()), "{one:?}");
    }
}

#[tokio::test]
async fn a_server_that_moved_is_found() {
    assert_eq!(looked_up(Ok(addresses(&["10.0.0.2:1"]))).await, "10.0.0.2:1");
}

#[tokio::test]
async fn a_server_whose_name_has_got_several_addresses_is_looked_for_where_it_was() {
    assert_eq!(looked_up(Ok(addresses(&["10.0.0.2:1", "10.0.0.1:1"]))).await, "10.0.0.1:1");
    assert_eq!(looked_up(Ok(addresses(&["10.0.0.2:1", "10.0.0.3:1"]))).await, "10.0.0.1:1");
}

#[tokio::test]
async fn a_server_whose_name_leads_nowhere_is_looked_for_where_it_was() {
    assert_eq!(looked_up(Ok(vec![])).await, "10.0.0.1:1");
    assert_eq!(looked_up(Err(io::ErrorKind::NotFound.into())).await, "10.0.0.1:1");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_takes_long_is_asked_for_once_and_its_server_looked_for_where_it_was() {
    let mut forever = location(pending());
    let at = timeout(Duration::from_secs(1), forever.look_up()).await.expect("it is not waited for");
    assert_eq!(at.to_string(), "10.0.0.1:1");

    let (tell, answer) = tokio::sync::oneshot::channel();
    let mut location = location(async { Ok(answer.await.unwrap()) });
    for _ in 0..3 {
        assert_eq!(location.look_up().await.to_string(), "10.0.0.1:1");
    }
    tell.send(addresses(&["10.0.0.2:1"])).unwrap();
    assert_eq!(location.look_up().await.to_string(), "10.0.0.2:1", "the answer that came late");
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_an_old_question_is_not_used() {
    let mut location = location(async {
        tokio::time::sleep(2 * LONGEST_LOOKUP).await;
        Ok(addresses(&["10.0.0.2:1"]))
    });
    location.name = "10.0.0.3:1".into();
    let at = location.look_up().await;
    location.found(at);
    tokio::time::sleep(2 * LONGEST_LOOKUP).await;
    assert_eq!(location.look_up().await.to_string(), "10.0.0.3:1");
}

#[tokio::test]
async fn every_address_is_there_once() {
    assert_eq!(resolve("127.0.0.1:7".into()).await.unwrap(), addresses(&["127.0.0.1:7"]));
    assert_eq!(resolve("[::1]:7".into()).await.unwrap(), addresses(&["[::1]:7"]));
}
