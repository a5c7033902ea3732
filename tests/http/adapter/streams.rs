//! Bodies that go on after the response head: what is recorded before it is saved before it, and later writes are
//! saved by `save()` alone.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use cloakroom::{Error, ErrorKind, Session};
use cloakroom_store::BoxFuture;
use cloakroom_tests::{Browser, Gate, Site};
use http_body_util::channel::Channel;

use super::{COUNT, add_one, count, eventually, site};

type InStream = fn(Session) -> BoxFuture<'static, Result<String, Error>>;

/// A page that uses its session before the head if told to; then passes the gate, and only then streams what
/// `in_stream` answers.
async fn streaming(before: bool, in_stream: InStream) -> (Site, Gate) {
    let gate = Gate::new();
    let page = {
        let gate = gate.clone();
        move |session: Session| async move {
            if before {
                session.insert("before", &true).await?;
            }
            let (mut sender, body) = Channel::<_, Infallible>::new(1);
            tokio::spawn(async move {
                gate.pass().await;
                let text = in_stream(session).await.unwrap_or_else(|error| format!("{:?}", error.kind()));
                sender.send_data(text.into()).await.unwrap();
            });
            Ok::<_, Error>(Body::new(body))
        }
    };
    let keys = async |session: Session| session.keys().await.map(|keys| keys.join(" "));
    let end = async |session: Session| session.destroy().await;
    let routes = Router::new()
        .route("/stream", get(page.clone()).post(page))
        .route("/count", get(count).post(add_one))
        .route("/keys", get(keys))
        .route("/end", post(end));
    (site(routes).await, gate)
}

/// PEERS: "session in a streaming body is empty or lost" (actix-extras#290).
#[tokio::test]
async fn a_stream_reads_its_session_and_saves_to_it() {
    let (site, gate) = streaming(true, |session| {
        Box::pin(async move {
            assert_eq!(session.get(COUNT).await?, Some(1));
            assert_eq!(session.get("before").await?, Some(true));
            session.insert("streamed", &true).await?;
            session.save().await?;
            session.update(COUNT, |count| *count = Some(5)).await?;
            Ok("done".into())
        })
    })
    .await;
    let browser = Browser::new(&site);
    browser.post("/count").await;
    for post in [true, false] {
        let tab = browser.tab();
        let stream = async { if post { tab.post("/stream").await } else { tab.get("/stream").await } };
        let ((), response) = tokio::join!(
            async {
                gate.arrival().await;
                gate.open();
            },
            stream
        );
        assert_eq!((response.status, response.body.as_str()), (200, "done"), "post: {post}");
        assert_eq!(browser.get("/keys").await.body, "before count streamed");
        assert_eq!(browser.get("/count").await.body, "5");
        browser.post("/end").await;
        browser.post("/count").await;
    }
}

#[tokio::test]
async fn what_a_handler_recorded_is_saved_and_its_lock_free_while_its_body_streams() {
    let (site, gate) = streaming(true, |_| Box::pin(async { Ok("done".into()) })).await;
    let browser = Browser::new(&site);
    browser.post("/count").await;
    let tab = browser.tab();
    let (response, ()) = tokio::join!(tab.post("/stream"), async {
        gate.arrival().await;
        eventually(async || browser.get("/keys").await.body == "before count").await;
        assert_eq!(browser.post("/count").await.body, "2");
        gate.open();
    });
    assert_eq!(response.body, "done");
}

/// A session first used after the head must not keep others waiting until the stream ends.
#[tokio::test]
async fn a_first_use_in_a_stream_takes_no_lock() {
    static USED: std::sync::LazyLock<Gate> = std::sync::LazyLock::new(Gate::new);
    let (site, gate) = streaming(false, |session| {
        Box::pin(async move {
            let seen = count(session.clone()).await?;
            USED.pass().await;
            Ok(seen)
        })
    })
    .await;
    let browser = Browser::new(&site);
    browser.post("/count").await;
    let tab = browser.tab();
    let (response, ()) = tokio::join!(tab.post("/stream"), async {
        gate.arrival().await;
        gate.open();
        USED.arrival().await;
        assert_eq!(browser.post("/count").await.body, "2");
        USED.open();
    });
    assert_eq!(response.body, "1");
}

#[tokio::test]
async fn what_a_stream_does_not_save_is_not_saved() {
    let (site, gate) = streaming(true, |session| {
        Box::pin(async move {
            session.insert("streamed", &true).await?;
            Ok("done".into())
        })
    })
    .await;
    let browser = Browser::new(&site);
    gate.open();
    assert_eq!(browser.post("/stream").await.body, "done");
    assert_eq!(browser.get("/keys").await.body, "before");
}

/// Everything that would have to change the cookie.
const BEYOND_THE_HEAD: [InStream; 4] = [
    |session| Box::pin(async move { session.rotate().await.map(|()| "rotated".into()) }),
    |session| Box::pin(async move { session.sign_in("ann").await.map(|()| "signed in".into()) }),
    |session| Box::pin(async move { session.expire_cookie().await.map(|()| "expired".into()) }),
    |session| {
        let month = std::time::Duration::from_secs(30 * 24 * 3600);
        Box::pin(async move { session.remember(month).await.map(|()| "remembered".into()) })
    },
];

#[tokio::test]
async fn a_stream_cannot_change_the_cookie_and_is_told_so() {
    for before in [true, false] {
        for (number, in_stream) in BEYOND_THE_HEAD.into_iter().enumerate() {
            let (site, gate) = streaming(before, in_stream).await;
            let browser = Browser::new(&site);
            browser.post("/count").await;
            let tab = browser.tab();
            let (response, ()) = tokio::join!(tab.get("/stream"), head_sent(&gate));
            assert_eq!(
                response.body,
                format!("{:?}", ErrorKind::HeadSent),
                "{number}, used before: {before}"
            );
        }
    }
}

#[tokio::test]
async fn a_session_cannot_begin_in_a_stream_and_it_is_told_so() {
    let (site, gate) = streaming(false, |session| {
        Box::pin(async move {
            session.insert("streamed", &true).await?;
            session.save().await?;
            Ok("saved".into())
        })
    })
    .await;
    let browser = Browser::new(&site);
    let (response, ()) = tokio::join!(browser.get("/stream"), head_sent(&gate));
    assert_eq!(response.body, format!("{:?}", ErrorKind::HeadSent));
    assert_eq!(response.cookies().len(), 0);
}

#[tokio::test]
async fn a_stream_learns_that_its_visitor_has_signed_out() {
    let (site, gate) = streaming(true, |session| {
        Box::pin(async move {
            let alive = session.reload().await?;
            session.insert("late", &1).await?;
            Ok(format!("{alive} {:?}", session.save().await.map_err(|error| error.kind())))
        })
    })
    .await;
    let browser = Browser::new(&site);
    browser.post("/count").await;
    let tab = browser.tab();
    let (response, ()) = tokio::join!(tab.get("/stream"), async {
        gate.arrival().await;
        browser.post("/end").await;
        gate.open();
    });
    assert_eq!(response.body, "false Err(Ended)");
}

/// Lets the stream go on once the response head has left the layer.
async fn head_sent(gate: &Gate) {
    gate.arrival().await;
    gate.open();
}
