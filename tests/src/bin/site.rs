//! A web site in a process of its own, with its sessions in a store that it may share: `site APPLICATION STORE PLACE SETTINGS`.
//! The application is `script` or `history`; the store is written as on the command line of `cloakroom`, or as `full:FOLDER` or
//! `relaxed:FOLDER` for a folder of files; the place is the file that a script enters; the settings are TOML. It runs on the
//! system's clock until its standard input ends.
//!
//! It says `listening ADDRESS`, and `at GATE` for each request that waits there. It is told `open GATE` and `end_all USER`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::net::SocketAddr;
use std::sync::Arc;

use cloakroom::SessionManager;
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom_cli::store::StoreUrl;
use cloakroom_store::DynStore;
use cloakroom_test_checker::{App, SystemClock};
use cloakroom_tests::{Gate, Script, file_store};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [application, store, place, settings] = &arguments[..] else {
        panic!("site APPLICATION STORE PLACE SETTINGS")
    };
    let store: Arc<dyn DynStore> = match store.split_once(':') {
        Some((durability @ ("full" | "relaxed"), folder)) => Arc::new(file_store(folder, durability)),
        _ => store.parse::<StoreUrl>().unwrap().open().await.unwrap().store,
    };
    let sessions = SessionManager::with_store(store, toml::from_str(settings).unwrap()).unwrap();
    let script = Script { place: Some(place.into()), ..Script::default() };

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening {}", listener.local_addr().unwrap());
    let app = match &application[..] {
        "script" => script.routes().layer(SessionLayer::new(sessions.clone())),
        "history" => App::router(sessions.clone(), Arc::new(SystemClock)),
        other => panic!("no such application: {other}"),
    };
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    tokio::spawn(announce("a", script.a.clone()));
    tokio::spawn(announce("b", script.b.clone()));

    let mut orders = BufReader::new(stdin()).lines();
    while let Some(order) = orders.next_line().await.unwrap() {
        match order.split_once(' ') {
            Some(("open", "a")) => script.a.open(),
            Some(("open", "b")) => script.b.open(),
            Some(("end_all", user)) => println!("ended {}", sessions.end_all(user, None).await.unwrap()),
            _ => panic!("no such order: {order}"),
        }
    }
}

async fn announce(name: &str, gate: Gate) {
    loop {
        gate.arrival().await;
        println!("at {name}");
    }
}
