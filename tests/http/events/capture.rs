use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Everything that this thread logs from now on, at any level and of any crate. A test's runtime has one thread.
pub(crate) struct Capture {
    /// Stays on its thread.
    _here: PhantomData<*const ()>,
}

thread_local! {
    static LOG: RefCell<Option<Vec<Entry>>> = const { RefCell::new(None) };
}

/// An event, or the fields of a span.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) level: Level,
    pub(crate) target: String,
    /// The span's name.
    pub(crate) span: Option<&'static str>,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Capture {
    pub(crate) fn start() -> Self {
        // One subscriber for all threads: with one for each, an event that two threads reach for the first time may be
        // lost to one of them.
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Log)).unwrap();
        });
        tracing::callsite::rebuild_interest_cache();
        LOG.set(Some(Vec::new()));
        Self { _here: PhantomData }
    }

    /// What there was since the last call.
    pub(crate) fn take(&self) -> Vec<Entry> {
        LOG.replace(Some(Vec::new())).unwrap_or_default()
    }

    /// Of those, the engine's events.
    pub(crate) fn events(&self) -> Vec<Entry> {
        let mut events = self.take();
        events.retain(|entry| entry.target == "cloakroom" && entry.span.is_none());
        events
    }

    /// The engine's spans of that name since the last call.
    pub(crate) fn spans(&self, name: &str) -> Vec<Entry> {
        let mut spans = self.take();
        spans.retain(|entry| entry.target == "cloakroom" && entry.span == Some(name));
        spans
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

impl Drop for Capture {
    fn drop(&mut self) {
        LOG.set(None);
    }
}

struct Log;

impl Log {
    fn push(&self, metadata: &Metadata<'_>, span: Option<&'static str>, record: impl FnOnce(&mut Fields)) {
        // A thread that is ending has no log any more.
        if LOG.try_with(|log| log.borrow().is_none()).unwrap_or(true) {
            return;
        }
        let mut fields = Fields::default();
        record(&mut fields);
        let (level, target) = (*metadata.level(), metadata.target().to_owned());
        let entry = Entry { level, target, span, fields: fields.0 };
        LOG.with_borrow_mut(|log| log.get_or_insert_default().push(entry));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let metadata = attributes.metadata();
        self.push(metadata, Some(metadata.name()), |fields| attributes.record(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(metadata) = context.metadata(id) {
            self.push(metadata, Some(metadata.name()), |fields| values.record(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.push(event.metadata(), None, |fields| event.record(fields));
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
