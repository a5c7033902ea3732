//! A message for the next page.

use cloakroom::SessionKey;
use serde::{Deserialize, Serialize};

pub(crate) const FLASH: SessionKey<Flash> = SessionKey::new("flash");

/// For the next page alone.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Flash {
    pub(crate) message: String,
    /// What was entered, to be corrected.
    pub(crate) entered: String,
}
