use cloakroom::{ConfigError, Initializer, Settings};

use crate::config::{self, Written};
use crate::options::Demo;

/// The settings in use, and where those of the configuration file are written.
pub(super) struct Chosen(Written<Settings>);

/// The configuration file's settings, or the defaults, with the options put over them.
///
/// # Errors
/// One line about the file.
pub(super) fn choose(options: &Demo) -> Result<Chosen, String> {
    let mut written: Written<Settings> = match &options.config {
        Some(path) => config::read(path)?,
        None => Written::default(),
    };
    let Written { settings, places } = &mut written;
    if let Some(timeout) = options.idle_timeout {
        settings.idle_timeout = timeout;
        places.remove("idle_timeout");
    }
    if let Some(timeout) = options.absolute_timeout {
        settings.absolute_timeout = timeout;
        places.remove("absolute_timeout");
    }
    if let Some(locking) = options.locking {
        settings.locking = locking;
    }
    if options.danger_allow_plain_http {
        settings.danger_allow_plain_http = true;
        // Browsers refuse a `__Host-` cookie that is not Secure.
        if !places.contains_key("cookie_name") {
            settings.cookie_name = "id".into();
        }
    }
    // For the list of one's sessions.
    if !places.contains_key("record_client") {
        settings.record_client = true;
    }
    if !places.contains_key("initializer") {
        settings.initializer = Initializer::new().with("count", &0).map_err(|error| error.to_string())?;
    }
    Ok(Chosen(written))
}

impl Chosen {
    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The complaint about a setting, with the place where it is written.
    pub(super) fn explain(&self, error: &ConfigError) -> String {
        match self.0.places.get(error.setting()) {
            Some(place) => format!("{place}: {error}"),
            None => error.to_string(),
        }
    }
}
