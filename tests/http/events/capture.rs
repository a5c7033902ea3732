use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// Everything that this thread logs from now on, at any level and of any crate. A test's runtime has one thread.
pub(crate) struct Capture {
    log: Arc<Mutex<Vec<Entry>>>,
    _guard: DefaultGuard,
}

/// An event, or the fields of a span.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Capture {
    pub(crate) fn start() -> Self {
        // With one subscriber alone, tracing-core 0.1 asks the thread that first comes to an event whether it is wanted, and
        // remembers that for all: another test's thread would say no.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
        LazyLock::force(&ANOTHER);
        let log = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Log(Arc::clone(&log)));
        Self { log, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// What there was since the last call.
    pub(crate) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    /// Of those, what the engine said.
    pub(crate) fn events(&self) -> Vec<Entry> {
        let mut events = self.take();
        events.retain(|entry| entry.target == "cloakroom");
        events
    }
}

impl Entry {
    /// The kind of event.
    pub(crate) fn name(&self) -> &str {
        self.get("event")
    }

    pub(crate) fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }
}

struct Log(Arc<Mutex<Vec<Entry>>>);

impl Log {
    fn push(&self, metadata: &tracing::Metadata<'_>, record: impl FnOnce(&mut Fields)) {
        let mut fields = Fields::default();
        record(&mut fields);
        let entry =
            Entry { level: *metadata.level(), target: metadata.target().to_owned(), fields: fields.0 };
        self.0.lock().unwrap().push(entry);
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.push(attributes.metadata(), |fields| attributes.record(fields));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.0.lock().unwrap().push(Entry {
            level: Level::TRACE,
            target: "a span".to_owned(),
            fields: fields.0,
        });
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.push(event.metadata(), |fields| event.record(fields));
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        let mut text = format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(error) = source {
            text.push_str(&format!(" {error} {error:?}"));
            source = error.source();
        }
        self.0.insert(field.name(), text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
