//! The demo: a site that shows every visitor their own session.

mod failure;
mod forms;
mod guard;
mod headers;
mod home;
mod plain;
mod settings;
mod show;
mod shutdown;
mod site;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post};
use cloakroom::SessionManager;
use cloakroom::axum_v0_8::SessionLayer;
use tokio::net::TcpListener;

use crate::options::Demo;
use crate::output::say;
use crate::pages::{SCRIPT, STYLE};
use show::Seen;
use shutdown::Shutdown;
use site::Site;

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// One line that says what cannot be used, and how to mend it.
pub(crate) fn run(options: Demo) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(serve(options))
}

async fn serve(options: Demo) -> Result<(), String> {
    let chosen = settings::choose(&options)?;
    let opened = options.store.open().await?;
    let sessions = SessionManager::with_store(opened.store, chosen.settings().clone())
        .map_err(|error| chosen.explain(&error))?;
    let mut shutdown = Shutdown::listen().map_err(|error| format!("no signals: {error}"))?;
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        format!("cannot listen on {}: {error}; choose another address with --listen", options.listen)
    })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;

    let site = Site { sessions: sessions.clone(), store: Arc::new(options.store) };
    say(io::stdout(), &announcement(address, &site));
    if let Some(warning) = opened.warning {
        say(io::stdout(), &format!("Warning: {warning}.\n"));
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = router(site).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        _ = &mut server => {}
        () = shutdown.asked() => {
            drop(stop);
            tokio::select! {
                // A client that never finishes its request does not keep us up.
                _ = tokio::time::timeout(LAST_REQUESTS, server) => {}
                // Nor does it for whoever asks again.
                () = shutdown.asked() => {}
            }
        }
    }
    sessions.shutdown().await;
    Ok(())
}

fn router(site: Site) -> Router {
    let seen = Seen::of(&site.sessions.settings().cookie_name);
    let layer = SessionLayer::new(site.sessions.clone());
    let reading = Router::new()
        .route("/", get(home::home))
        .route("/whoami", get(plain::whoami))
        .route("/healthz", get(plain::healthz))
        .route("/style.css", get(async || ([(CONTENT_TYPE, "text/css")], STYLE)))
        .route("/page.js", get(async || ([(CONTENT_TYPE, "text/javascript")], SCRIPT)));
    let changing = Router::new()
        .route("/set", post(forms::set))
        .route("/remove", post(forms::remove))
        .route("/count", get(plain::count).post(forms::count))
        .route("/rotate", post(forms::rotate))
        .route("/sign-in", post(forms::sign_in))
        .route("/sign-out", post(forms::sign_out))
        .route("/expire", post(forms::expire))
        .route("/destroy", post(forms::destroy))
        .route("/end", post(forms::end))
        .route("/end-others", post(forms::end_others))
        .route("/reset", get(plain::reset))
        .route("/login", get(plain::login))
        .route("/logout", get(plain::logout));
    // The guard stands outside of the session's layer: what it refuses never waits for a lock.
    Router::new()
        .merge(changing.layer(layer.clone()).layer(from_fn(guard::same_origin)))
        .merge(reading.layer(layer))
        .with_state(site)
        .layer(from_fn_with_state(seen, show::show))
        .layer(from_fn(failure::in_a_page))
        .layer(map_response(headers::guarded))
}

fn announcement(address: SocketAddr, site: &Site) -> String {
    let cookie = if site.sessions.settings().danger_allow_plain_http {
        "Warning: cookies travel over plain HTTP; whoever is on the way can take over a session."
    } else {
        "The cookie is Secure: over plain HTTP browsers keep it for localhost and 127.0.0.1 only. Under any other \
         host name each page starts a new session, unless it is served over https."
    };
    format!(
        "Open http://{}/\nSessions are kept in {}. Stop with Ctrl-C.\n{cookie}\n",
        to_open(address),
        site.store
    )
}

/// The host and port under which a browser on this machine gets here.
fn to_open(address: SocketAddr) -> String {
    let localhost = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] as [IpAddr; 2];
    if address.ip().is_unspecified() || localhost.contains(&address.ip()) {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

const LAST_REQUESTS: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::to_open;

    #[test]
    fn the_address_to_open_is_one_that_answers() {
        for (listen, open) in [
            ("127.0.0.1:80", "localhost:80"),
            ("[::1]:80", "localhost:80"),
            ("0.0.0.0:80", "localhost:80"),
            ("[::]:80", "localhost:80"),
            ("127.0.0.2:80", "127.0.0.2:80"),
            ("[fe80::1]:80", "[fe80::1]:80"),
        ] {
            assert_eq!(to_open(listen.parse().unwrap()), open);
        }
    }
}
