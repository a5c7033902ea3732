//! The same application on every framework.

pub(crate) mod actix;
pub(crate) mod axum;
pub(crate) mod hyper;
pub(crate) mod poem;
pub(crate) mod rocket;
pub(crate) mod salvo;
pub(crate) mod tower;
