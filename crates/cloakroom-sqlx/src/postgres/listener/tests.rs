use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use cloakroom_test_services::postgres;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, query};
use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A listener that connects to `port`, and whose connection is checked after `quiet`.
fn listener(port: u16, quiet: Duration) -> Listener {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let channel = format!("notified_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut listener = Listener::new(server().port(port), &channel);
    listener.channel.quiet = quiet;
    listener
}

fn server() -> PgConnectOptions {
    postgres().parse::<PgConnectOptions>().unwrap().disable_statement_logging()
}

async fn run_one(statement: String) -> i64 {
    let mut connection = PgConnection::connect(postgres()).await.unwrap();
    query(AssertSqlSafe(statement)).fetch_one(&mut connection).await.unwrap().get(0)
}

impl Listener {
    async fn notify(&self, key: &Key) {
        run_one(format!("SELECT 1::bigint FROM pg_notify('{}', '{key}')", self.channel.name)).await;
    }

    async fn close(&self) {
        let listens = format!("FROM pg_stat_activity WHERE query = 'LISTEN \"{}\"'", self.channel.name);
        assert_eq!(run_one(format!("SELECT count(pg_terminate_backend(pid)) {listens}")).await, 1);
    }
}

/// Forwards everything until it is told to be silent: then its connections stay open, and it forwards nothing.
async fn proxy(silent: watch::Receiver<bool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", server().get_port())).await.unwrap();
            let mut silent = silent.clone();
            tokio::spawn(async move {
                let ((mut from, mut to), (mut back, mut forth)) = (client.into_split(), server.into_split());
                let both = async { tokio::join!(copy(&mut from, &mut forth), copy(&mut back, &mut to)) };
                tokio::select! {
                    _ = both => return,
                    told = silent.wait_for(|silent| *silent) => drop(told),
                }
                // Holds the connections.
                _ = silent.wait_for(|silent| !silent).await;
            });
        }
    });
    port
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it comes back within twenty seconds")
}

#[tokio::test]
async fn a_notification_wakes_the_waiters_of_its_key_and_no_others() {
    let listener = listener(server().get_port(), QUIET);
    soon(listener.ready()).await;
    let (key, other) = (Key::new([1; 32]), Key::new([2; 32]));
    let (one, two) = (listener.register(&key), listener.register(&key));
    let bystander = listener.register(&other);
    listener.notify(&key).await;
    soon(one.woken()).await;
    soon(two.woken()).await;
    assert!(timeout(Duration::ZERO, bystander.woken()).await.is_err());
}

#[tokio::test]
async fn a_silent_connection_that_works_is_kept_and_loses_no_notification() {
    let listener = listener(server().get_port(), Duration::from_millis(1));
    soon(listener.ready()).await;
    let began_with = listener.listening();
    for n in 0..50 {
        let key = Key::new([n; 32]);
        let waiter = listener.register(&key);
        listener.notify(&key).await;
        soon(waiter.woken()).await;
    }
    assert!(began_with.same_channel(&listener.listening()) && *began_with.borrow());
}

#[tokio::test]
async fn all_waiters_are_woken_when_the_connection_is_closed_and_another_is_made() {
    let listener = listener(server().get_port(), QUIET);
    for _ in 0..2 {
        soon(listener.ready()).await;
        let (one, other) = (listener.register(&Key::new([1; 32])), listener.register(&Key::new([2; 32])));
        listener.close().await;
        soon(one.woken()).await;
        soon(other.woken()).await;
    }
}

#[tokio::test]
async fn all_waiters_are_woken_when_the_connection_breaks_without_a_sign() {
    let (silence, silent) = watch::channel(false);
    let listener = listener(proxy(silent).await, Duration::from_millis(50));
    soon(listener.ready()).await;
    let waiter = listener.register(&Key::new([1; 32]));
    silence.send_replace(true);
    soon(waiter.woken()).await;
    silence.send_replace(false);
    soon(listener.ready()).await;
}

#[tokio::test]
async fn connecting_to_a_server_that_does_not_reply_is_tried_again_after_a_pause() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = listener(server.local_addr().unwrap().port(), QUIET);
    let tried_again = async {
        let _first = server.accept().await.unwrap();
        server.accept().await.unwrap();
    };
    tokio::select! {
        () = listener.ready() => panic!("no server replies"),
        () = soon(tried_again) => {}
    }
}

#[tokio::test]
async fn a_waiter_that_the_end_of_the_connection_wakes_sees_that_nothing_listens() {
    struct Woken {
        listening: watch::Receiver<bool>,
        listened: AtomicBool,
        done: tokio::sync::Notify,
    }

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.listened.store(*self.listening.borrow(), Ordering::Relaxed);
            self.done.notify_one();
        }
    }

    let listener = listener(server().get_port(), QUIET);
    soon(listener.ready()).await;
    let woken = Arc::new(Woken {
        listening: listener.listening(),
        listened: AtomicBool::new(true),
        done: tokio::sync::Notify::new(),
    });
    let mut waiting = Box::pin(listener.register(&Key::new([1; 32])).woken());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    listener.close().await;
    soon(woken.done.notified()).await;
    assert!(!woken.listened.load(Ordering::Relaxed));
}
