use std::sync::Arc;

use cloakroom::{SessionKey, SessionManager};
use cloakroom_cli::store::StoreUrl;
use serde_json::Value;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) sessions: SessionManager,
    pub(super) store: Arc<StoreUrl>,
}

// Values of any type: a visitor may set these keys too.
pub(super) const COUNT: SessionKey<Value> = SessionKey::new("count");
pub(super) const FLASH: SessionKey<Value> = SessionKey::new("flash");
