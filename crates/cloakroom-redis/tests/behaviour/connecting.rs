//! URLs, logins, and what is said about a server that cannot be used.

use std::fmt::Debug;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use cloakroom_redis::RedisStore;
use cloakroom_store::{
    ErrorKind, LeaseId, Leases, OpenErrorKind, Page, Revision, Scan, Store, SubjectEntry, Subjects,
};
use cloakroom_test_services::server::{Redis, RedisCluster, RedisSentinel};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::support::raw::{Raw, nodes, set_slot};
use crate::support::{alice, at, claim, key, name, record, walk};

const PASSWORD: &str = "p4ssw0rd";

#[tokio::test]
async fn a_server_that_is_down_is_one_clear_line() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (scheme, path) in [("redis", ""), ("redis+cluster", ""), ("redis+sentinel", "/name")] {
        let url = format!("{scheme}://user:{PASSWORD}@127.0.0.1:{port}{path}");
        let error = refused(&url, OpenErrorKind::Unavailable).await;
        let expected = format!("cannot use Redis at 127.0.0.1:{port}{path}: ");
        assert!(error.starts_with(&expected) && error.contains("refused"), "{error}");
        assert!(error.contains("is it running"), "{error}");
    }
}

#[tokio::test]
async fn a_login_is_used_and_never_shown() {
    let server = Redis::start_with(&["--requirepass", PASSWORD]);
    let host = server.url().strip_prefix("redis://").unwrap();
    for login in ["", ":wrong-p4ssw0rd@", "somebody:p4ssw0rd@"] {
        let error = refused(&format!("redis://{login}{host}"), OpenErrorKind::Refused).await;
        assert!(error.contains("check the user and the password"), "{error}");
    }
    let store = RedisStore::connect(&format!("redis://:{PASSWORD}@{host}")).await.unwrap();
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    let shown = format!("{store:?}");
    assert!(shown.contains(host) && !shown.contains(PASSWORD), "{shown}");
}

#[tokio::test]
async fn a_cluster_and_what_sentinels_watch_may_want_a_login() {
    let server = RedisSentinel::start();
    let mut primary = Raw::connect(server.url()).await;
    let _: () = primary.call(redis::cmd("CONFIG").arg("SET").arg(&["requirepass", PASSWORD])).await;
    refused(server.url(), OpenErrorKind::Refused).await;
    let with_login = server.url().replace("://", &format!("://:{PASSWORD}@"));
    let store = RedisStore::connect(&with_login).await.unwrap();
    assert!(!format!("{store:?}").contains(PASSWORD));
    works(&store).await;
    drop(server);

    let server = RedisCluster::start();
    for url in nodes(server.url()) {
        let mut node = Raw::connect(&url).await;
        let _: () = node.call(redis::cmd("CONFIG").arg("SET").arg(&["requirepass", PASSWORD])).await;
    }
    refused(server.url(), OpenErrorKind::Refused).await;
    let with_login = server.url().replace("://", &format!("://:{PASSWORD}@"));
    let store = RedisStore::connect(&with_login).await.unwrap();
    assert!(!format!("{store:?}").contains(PASSWORD));
    works(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_the_rights_of_the_readme_can_do_everything() {
    let rights = include_str!("../../README.md");
    let rights = rights.lines().find_map(|line| line.strip_prefix("ACL SETUSER site on >password ")).unwrap();
    for server in [&*Redis::start(), &*RedisCluster::start()] {
        let (scheme, hosts) = server.url().split_once("://").unwrap();
        for node in hosts.split(',') {
            let mut user = redis::cmd("ACL");
            user.arg("SETUSER")
                .arg("site")
                .arg("on")
                .arg(">password")
                .arg(rights.split(' ').collect::<Vec<_>>());
            let _: () = Raw::connect(&format!("redis://{node}")).await.call(&user).await;
        }
        let store = RedisStore::connect(&format!("{scheme}://site:password@{hosts}")).await.unwrap();
        works(&store).await;
        if scheme == "redis+cluster" {
            migrate_slot_of_works(server.url()).await;
            works(&store).await;
        }
    }
}

/// Lets the slot of the record of [`works`] be on its way from one node to another.
async fn migrate_slot_of_works(cluster: &str) {
    let name = name(&key(1));
    let (mut from, mut to) = (None, None);
    for url in nodes(cluster) {
        let mut raw = Raw::connect(&url).await;
        let id = raw.id().await;
        let has_it = raw.has(&name).await;
        *(if has_it { &mut from } else { &mut to }) = Some((raw, id));
    }
    let ((mut from, from_id), (mut to, to_id)) = (from.unwrap(), to.unwrap());
    let slot = from.slot_of(&name).await;
    let _: () = to.call(&set_slot(slot, "IMPORTING", &from_id)).await;
    let _: () = from.call(&set_slot(slot, "MIGRATING", &to_id)).await;
}

#[tokio::test]
async fn a_database_may_be_chosen() {
    let server = Redis::start();
    let store = RedisStore::connect(&format!("{}/3", server.url())).await.unwrap();
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    assert_eq!(RedisStore::connect(server.url()).await.unwrap().count(at(0)).await.unwrap(), 0);
    assert_eq!(store.count(at(0)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_unix_socket_is_as_good() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let socket = socket.to_str().unwrap();
    let _server = Redis::start_with(&["--unixsocket", socket]);
    for scheme in ["unix", "redis+unix", "valkey+unix"] {
        works(&RedisStore::connect(&format!("{scheme}://{socket}")).await.unwrap()).await;
    }
    let error = refused(&format!("unix://{socket}.other"), OpenErrorKind::Unavailable).await;
    assert!(error.contains("redis.sock.other") && error.contains("is it running"), "{error}");
}

#[tokio::test]
async fn what_is_no_url_of_redis_is_said_without_repeating_it() {
    for url in [
        "p4ssw0rd",
        "http://user:p4ssw0rd@host",
        "redis://user:p4ssw0rd@host:port",
        "redis://user:p4ssw0rd@",
        "redis://user:p4ssw0rd@host/name",
        "redis+sentinel://user:p4ssw0rd@host",
        "redis+cluster://user:p4ssw0rd@host/3",
        "redis+cluster://user:p4ssw0rd@",
        "redis://user:p4ssw0rd@host/0?protocol=9",
    ] {
        let error = refused(url, OpenErrorKind::Config).await;
        assert!(error.starts_with("this is no URL of Redis: "), "{url}: {error}");
    }
    let known = refused("http://host", OpenErrorKind::Config).await;
    assert!(known.contains("redis+sentinel") && known.contains("valkey"), "{known}");
}

#[tokio::test]
async fn a_server_that_may_evict_is_warned_of() {
    let limit = ["--maxmemory", "100mb"];
    for (policy, expected) in [("allkeys-lru", true), ("volatile-ttl", true), ("noeviction", false)] {
        let server = Redis::start_with(&[&limit[..], &["--maxmemory-policy", policy]].concat());
        let warnings = Warnings::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(warnings.clone()));
        let store = RedisStore::connect(server.url()).await.unwrap();
        drop(guard);
        assert_eq!(store.may_evict(), expected.then_some(policy));
        let warnings = warnings.0.lock().unwrap();
        assert_eq!(warnings.iter().any(|warning| warning.contains(policy)), expected, "{warnings:?}");
    }
    let unlimited = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    assert_eq!(RedisStore::connect(unlimited.url()).await.unwrap().may_evict(), None);
    let cluster = RedisCluster::start_with(&[&limit[..], &["--maxmemory-policy", "allkeys-lfu"]].concat());
    assert_eq!(RedisStore::connect(cluster.url()).await.unwrap().may_evict(), Some("allkeys-lfu"));
}

#[tokio::test]
async fn no_error_shows_a_key_or_data() {
    let server = Redis::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    let name = name(&key(1));
    let _: () = Raw::connect(server.url()).await.call(redis::cmd("SET").arg(&name).arg("data")).await;
    let shown = |error: &dyn Debug| {
        let shown = format!("{error:?}");
        assert!(!shown.contains(&key(1).to_string()) && !shown.contains("data of"), "{shown}");
    };
    shown(&store.load(&key(1)).await.unwrap_err());
    shown(&store.create(&key(1), &record(1), at(0)).await.unwrap_err());
    shown(&store.replace(&key(1), &record(1), Revision::new(1), at(0)).await.unwrap_err());
    shown(&store.acquire(&key(1), &claim(1)).await.unwrap_err());
    drop(server);
    shown(&store.load(&key(1)).await.unwrap_err());
    shown(&store.create(&key(1), &record(1), at(0)).await.unwrap_err());

    // It repeats what it does not know.
    let server =
        Redis::start_with(&["--rename-command", "EVALSHA", "KEPT", "--rename-command", "HMGET", "KEPT2"]);
    let store = RedisStore::connect(server.url()).await.unwrap();
    let refused = [
        store.load(&key(1)).await.unwrap_err(),
        store.create(&key(1), &record(1), at(0)).await.unwrap_err(),
        store.acquire(&key(1), &claim(1)).await.unwrap_err(),
    ];
    for error in refused {
        shown(&error);
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(format!("{error:?}").contains("does not know a command"), "{error:?}");
    }
}

/// Every kind of call.
async fn works(store: &RedisStore) {
    let alice = alice();
    let alices = |revision| record(revision).with_subject(alice.clone());
    store.enroll(&alice, &key(1), at(0), at(60_000)).await.unwrap();
    store.create(&key(1), &alices(1), at(0)).await.unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(alices(1)));
    store.replace(&key(1), &alices(2), Revision::new(1), at(0)).await.unwrap();
    assert!(store.touch(&key(1), at(0), at(60_000)).await.unwrap());
    store.acquire(&key(1), &claim(1)).await.unwrap();
    store.wait(&key(1), std::time::Duration::from_millis(10)).await.unwrap();
    assert!(store.renew(&key(1), &claim(1)).await.unwrap());
    assert!(store.release(&key(1), LeaseId::new(1)).await.unwrap());
    let listed = Page::new(vec![SubjectEntry::new(key(1), at(60_000))], None);
    assert_eq!(store.list(&alice, None, 10).await.unwrap(), listed);
    assert_eq!(walk(store).await.unwrap(), [key(1)]);
    assert_eq!(store.count(at(0)).await.unwrap(), 1);
    assert_eq!(store.end_all(&alice, None).await.unwrap(), 1);
    assert!(!store.delete(&key(1)).await.unwrap());
}

/// What is said of a server that cannot be used: one line, without any password.
async fn refused(url: &str, kind: OpenErrorKind) -> String {
    let error = RedisStore::connect(url).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let said = error.to_string();
    for shown in [&said, &format!("{error:?}")] {
        assert!(!shown.contains("p4ssw0rd"), "{shown}");
    }
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// Keeps the warnings that are given.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::WARN {
            let mut fields = String::new();
            event
                .record(&mut |_: &tracing::field::Field, value: &dyn Debug| fields += &format!("{value:?} "));
            self.0.lock().unwrap().push(fields);
        }
    }
}
