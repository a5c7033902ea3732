//! One account with very many large sessions: its list and its end take bounded memory and time on every store that lists
//! (SECURITY 52, F28). A process of its own, because it measures the memory of the process.
//!
//! `CLOAKROOM_FULL_SIZE=1` makes it 8,000 sessions of 64 KB, half a gigabyte, and needs `--release`: what takes the time then
//! is the checksum of each record. The default is a twentieth.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::post;
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom::{Session, SessionManager, Settings};
use cloakroom_tests::Backend;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tower::ServiceExt;

/// One store at a time.
static TURN: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn in_memory() {
    check("memory", "memory").await;
}

#[tokio::test]
async fn in_files() {
    let folder = tempfile::tempdir().unwrap();
    check("file", &format!("file:{}", folder.path().join("sessions").display())).await;
}

#[tokio::test]
async fn in_redb() {
    let folder = tempfile::tempdir().unwrap();
    check("redb", &format!("redb:{}", folder.path().join("sessions.redb").display())).await;
}

#[tokio::test]
async fn in_sqlite() {
    let server = Backend::sqlite().start();
    check("sqlite", &server.url).await;
}

#[tokio::test]
async fn in_redis() {
    let server = Backend::redis().start();
    check("redis", &server.url).await;
}

#[tokio::test]
async fn in_postgres() {
    let server = Backend::postgres().start();
    check("postgres", &server.url).await;
}

#[tokio::test]
async fn in_mariadb() {
    let server = Backend::mariadb().start();
    check("mariadb", &server.url).await;
}

async fn check(name: &str, url: &str) {
    let _turn = TURN.lock().await;
    let full = std::env::var_os("CLOAKROOM_FULL_SIZE").is_some();
    let (count, bound) = if full { (8000, 64) } else { (400, 12) };
    let store = url.parse::<cloakroom_cli::store::StoreUrl>().unwrap().open().await.unwrap().store;
    let fill = async |session: Session| {
        session.sign_in("ann").await?;
        session.insert("data", &"x".repeat(64_000)).await
    };
    let sessions = SessionManager::with_store(store, Settings::new().subject_limit(None)).unwrap();
    let app = Router::new().route("/", post(fill)).layer(SessionLayer::new(sessions.clone()));
    let visit =
        async |app: Router| app.oneshot(Request::post("/").body(Body::empty()).unwrap()).await.unwrap();
    for _ in 0..count / AT_ONCE {
        let begun: Vec<_> = (0..AT_ONCE).map(|_| tokio::spawn(visit(app.clone()))).collect();
        for request in begun {
            assert_eq!(request.await.unwrap().status(), 200);
        }
    }

    let recent =
        measured(name, "the list of the last 50", bound, sessions.recent_sessions_of("ann", 50)).await;
    let recent = recent.unwrap();
    assert_eq!((recent.sessions.len(), recent.total), (50, count));
    let ended = measured(name, "the end of all", bound, sessions.end_all("ann", None)).await;
    assert_eq!(ended.unwrap(), count);
    assert_eq!(sessions.recent_sessions_of("ann", 50).await.unwrap().total, 0);
}

/// Checks that the work ends within a request's budget, and takes less than `bound` megabytes.
#[expect(clippy::disallowed_methods, reason = "measures")]
async fn measured<T>(name: &str, what: &str, bound: usize, work: impl Future<Output = T>) -> T {
    // Its peak is reset to what it is now (proc(5)).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, began) = (kilobytes("VmRSS:"), Instant::now());
    let outcome = work.await;
    let (grown, took) = (kilobytes("VmHWM:").saturating_sub(before) / 1024, began.elapsed());
    println!("{name}: {what}: {took:.2?}, {grown} MB");
    assert!(took < BUDGET + Duration::from_millis(500), "{name}: {what} took {took:?}");
    assert!(grown < bound, "{name}: {what} took {grown} MB");
    outcome
}

fn kilobytes(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The default `store_budget`.
const BUDGET: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 20;
