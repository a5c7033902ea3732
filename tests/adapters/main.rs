//! One script of scenarios, run against every adapter on a real server: what holds with one framework holds with all, and
//! where one cannot give it, its [`Differences`](site::Differences) say so, and the scenario asserts that.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod scenarios;
mod site;
mod sites;

/// A module of tests for each adapter, and in it a test for each scenario.
macro_rules! adapters {
    ($($name:ident: $adapter:ty,)*) => {
        $(mod $name {
            $crate::scenarios::each!($adapter);
        })*
    };
}

adapters! {
    actix_v4: crate::sites::actix::Actix,
    axum_v0_8: crate::sites::axum::Axum,
    poem_v3: crate::sites::poem::Poem,
    salvo_v1: crate::sites::salvo::Salvo,
    rocket_v0_5: crate::sites::rocket::Rocket,
    http_v1: crate::sites::hyper::Hyper,
    tower: crate::sites::tower::Tower,
}
