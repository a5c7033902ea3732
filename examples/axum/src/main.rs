//! Sessions in axum: a counter, a login, and a chat over server-sent events.

mod chat;
mod html;
mod pages;

use axum::Router;
use axum::routing::{get, post};
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom::stores::MemoryStore;
use cloakroom::{SessionManager, Settings};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cookies know no ports: the default name would be shared by all examples at localhost.
    let settings = Settings::new().cookie_name("__Host-axum");
    let sessions = SessionManager::new(MemoryStore::new(), settings)?;
    let app = Router::new()
        .route("/", get(pages::front))
        .route("/count", get(pages::count))
        .route("/reset", post(pages::reset))
        .route("/login", get(pages::login_form).post(pages::login))
        .route("/logout", post(pages::logout))
        .route("/account", get(pages::account))
        .merge(chat::routes())
        .fallback(pages::not_found)
        .layer(SessionLayer::new(sessions)); // after the routes that need it

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>());
    let port = port.map_err(|_| "PORT must be a number from 0 to 65535")?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
