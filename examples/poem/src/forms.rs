//! What the forms of a booking ask for. The session holds it as it was entered.

use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
pub(crate) struct Table {
    pub(crate) day: String,
    pub(crate) seats: u8,
}

#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) wishes: String,
}
