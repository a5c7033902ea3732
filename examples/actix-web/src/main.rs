//! Sessions in actix-web: a counter, a login, and a cart.

mod cart;
mod html;
mod pages;
mod shopping;

use actix_web::web::{ServiceConfig, get, post, to};
use actix_web::{App, HttpServer};
use cloakroom::actix_v4::SessionMiddleware;
use cloakroom::stores::MemoryStore;
use cloakroom::{SessionManager, Settings};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Made once, and not in the closure, which makes an App for each worker: all of them share the sessions.
    // Cookies know no ports: the default name would be shared by all examples at localhost.
    let settings = Settings::new().cookie_name("__Host-actix-web");
    let sessions = SessionManager::new(MemoryStore::new(), settings)?;
    let app = move || App::new().configure(routes).wrap(SessionMiddleware::new(sessions.clone()));

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>());
    let port = port.map_err(|_| "PORT must be a number from 0 to 65535")?;
    let server = HttpServer::new(app).bind(("127.0.0.1", port))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    Ok(server.run().await?)
}

fn routes(routes: &mut ServiceConfig) {
    routes
        .route("/", get().to(pages::front))
        .route("/count", get().to(pages::count))
        .route("/reset", post().to(pages::reset))
        .route("/login", get().to(pages::login_form))
        .route("/login", post().to(pages::login))
        .route("/logout", post().to(pages::logout))
        .route("/account", get().to(pages::account))
        .service(cart::routes())
        .default_service(to(pages::not_found));
}
