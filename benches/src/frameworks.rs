//! One small application on every framework, with sessions and without, called without a network.
//!
//! It answers `/plain`, `/read` (one value of the session), and `/write` (the same, one higher).

mod actix;
mod application;
mod axum;
mod hyper;
mod poem;
mod rocket;
mod salvo;
mod tower;

pub use self::actix::Actix;
pub use self::application::{Application, sessions};
pub use self::axum::Axum;
pub use self::hyper::Hyper;
pub use self::poem::Poem;
pub use self::rocket::Rocket;
pub use self::salvo::Salvo;
pub use self::tower::Tower;
