//! Messages reach all who listen, and nothing else follows from them.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use super::harness::{Facet, Harness};
use super::probe::{Probe, in_time, key, record};
use crate::error::Result;
use crate::facets::BoxFuture;
use crate::notice::Notice;

/// A message reaches the listeners of all handles that were told that they listen, that of the sender too, with its own key.
pub async fn a_published_change_reaches_every_listener(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Notices, harness) else { return };
    let (mut own, mut other) = (Listener::new(&store), Listener::new(&Probe::new(harness)));
    own.receive(harness, Notice::Listening).await;
    other.receive(harness, Notice::Listening).await;
    for n in [1, 2] {
        store.publish(key(n)).await;
        own.receive(harness, Notice::Changed(key(n))).await;
        other.receive(harness, Notice::Changed(key(n))).await;
    }
}

/// A message reaches those who still listen, and `publish` succeeds without a listener.
pub async fn a_listener_that_is_gone_stops_no_message(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Notices, harness) else { return };
    store.publish(key(1)).await;
    let (mut gone, mut stays) = (Listener::new(&store), Listener::new(&store));
    gone.receive(harness, Notice::Listening).await;
    stays.receive(harness, Notice::Listening).await;
    drop(gone);
    store.publish(key(2)).await;
    stays.receive(harness, Notice::Changed(key(2))).await;
    drop(stays);
    store.publish(key(3)).await;
}

/// `publish` changes no record, and makes none.
pub async fn a_message_changes_no_record(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Notices, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.publish(key(1)).await;
    store.publish(key(2)).await;
    assert_eq!(store.stored(key(1)).await, Some(record(1)));
    assert_eq!(store.stored(key(2)).await, None);
}

/// One listener, and what it has received and not been asked for yet.
struct Listener {
    listening: BoxFuture<'static, Result<()>>,
    inbox: Arc<Mutex<Inbox>>,
}

#[derive(Default)]
struct Inbox {
    notices: Vec<Notice>,
    waker: Option<Waker>,
}

impl Listener {
    fn new(store: &Probe) -> Self {
        let inbox = Arc::<Mutex<Inbox>>::default();
        let receiver = Arc::clone(&inbox);
        let listening = store.listen(move |notice| {
            let mut inbox = receiver.lock().unwrap_or_else(PoisonError::into_inner);
            inbox.notices.push(notice);
            // A store may call this from anywhere.
            if let Some(waker) = inbox.waker.take() {
                waker.wake();
            }
        });
        Self { listening, inbox }
    }

    /// Listens until this notice is received.
    async fn receive(&mut self, harness: &dyn Harness, expected: Notice) {
        let received = poll_fn(|cx| {
            self.inbox.lock().unwrap_or_else(PoisonError::into_inner).waker = Some(cx.waker().clone());
            if let Poll::Ready(end) = self.listening.as_mut().poll(cx) {
                panic!("a listener listens until its connection is lost, but it ended with {end:?}");
            }
            let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
            let at = inbox.notices.iter().position(|notice| *notice == expected);
            at.map_or(Poll::Pending, |at| {
                inbox.notices.remove(at);
                Poll::Ready(())
            })
        });
        in_time(harness, received).await;
    }
}
