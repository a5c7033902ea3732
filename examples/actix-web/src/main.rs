//! Sessions in actix-web: a counter, a login, and a cart.

mod cart;
mod html;
mod pages;

use actix_web::web::{ServiceConfig, get, post};
use actix_web::{App, HttpServer};
use cloakroom::actix_v4::SessionMiddleware;
use cloakroom::stores::MemoryStore;
use cloakroom::{SessionManager, Settings};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Made once, and not in the closure, which makes an App for each worker: all of them share the sessions.
    let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
    let app = move || App::new().configure(routes).wrap(SessionMiddleware::new(sessions.clone()));

    let port: u16 = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
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
        .service(cart::routes());
}
