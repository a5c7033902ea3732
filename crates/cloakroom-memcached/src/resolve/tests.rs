use std::future::{pending, ready};

use super::*;

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
        let reason = check(&addresses(several)).unwrap_err();
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
