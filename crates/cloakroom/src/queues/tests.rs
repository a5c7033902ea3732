use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::{JoinHandle, yield_now};

use super::*;
use crate::clock::Stopwatch;

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(3600);

fn queues(max_waiters: usize) -> Arc<Queues> {
    Arc::new(Queues::new(max_waiters))
}

fn key(number: u8) -> Key {
    Key::new([number; Key::LEN])
}

fn open(queues: &Queues) -> usize {
    queues.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
}

/// Somebody who waits, and once they have their turn writes down their number and is done.
fn waiter(queues: &Arc<Queues>, order: &Arc<Mutex<Vec<u32>>>, number: u32) -> JoinHandle<()> {
    let (queues, order) = (Arc::clone(queues), Arc::clone(order));
    tokio::spawn(async move {
        let _turn = queues.wait(key(1), LONG).await.unwrap();
        order.lock().unwrap().push(number);
    })
}

#[tokio::test]
async fn whoever_comes_first_is_served_first() {
    let (queues, order) = (queues(64), Arc::default());
    let turn = Arc::clone(&queues).wait(key(1), LONG).await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..10 {
        waiting.push(waiter(&queues, &order, number));
        yield_now().await;
    }
    drop(turn);
    for waiter in waiting {
        waiter.await.unwrap();
    }
    assert!(order.lock().unwrap().iter().copied().eq(0..10));
    assert_eq!(open(&queues), 0);
}

/// RULES §4. A request that asks without a place in the queue neither takes one nor gets ahead of it.
#[tokio::test]
async fn a_turn_that_is_not_waited_for_is_had_at_once_or_leaves_no_trace() {
    let (queues, order) = (queues(1), Arc::default());
    let turn = queues.try_turn(key(1)).unwrap();
    for _ in 0..10 {
        assert!(queues.try_turn(key(1)).is_none());
    }
    assert_eq!(queues.try_turn(key(2)).unwrap().key(), key(2));
    let first = waiter(&queues, &order, 0);
    yield_now().await;
    drop(turn);
    assert!(queues.try_turn(key(1)).is_none(), "it belongs to the one that waits");
    let second = waiter(&queues, &order, 1);
    for waiting in [first, second] {
        waiting.await.unwrap();
    }
    assert_eq!((&*order.lock().unwrap(), open(&queues)), (&vec![0, 1], 0));
    drop(queues.try_turn(key(1)).unwrap());
    assert_eq!(open(&queues), 0);
}

#[tokio::test]
async fn a_turn_is_of_one_session_and_keeps_no_other_waiting() {
    let queues = queues(64);
    let one = Arc::clone(&queues).wait(key(1), LONG).await.unwrap();
    let two = Arc::clone(&queues).wait(key(2), Duration::ZERO).await.unwrap();
    assert_eq!((one.key(), two.key()), (key(1), key(2)));
}

/// Sessions that share a shard of the map.
#[tokio::test]
async fn sessions_whose_keys_begin_alike_do_not_share_a_turn() {
    let queues = queues(64);
    let mut other = *key(1).as_bytes();
    other[31] = 2;
    let _one = Arc::clone(&queues).wait(key(1), LONG).await.unwrap();
    Arc::clone(&queues).wait(Key::new(other), Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_and_leaves_nothing_behind() {
    let queues = queues(64);
    let turn = Arc::clone(&queues).wait(key(1), LONG).await.unwrap();
    let watch = Stopwatch::start();
    let error = Arc::clone(&queues).wait(key(1), 10 * SECOND).await.unwrap_err();
    assert_eq!((error.kind(), watch.elapsed().as_secs()), (ErrorKind::LockTimeout, 10));
    drop(turn);
    assert_eq!(open(&queues), 0);
    Arc::clone(&queues).wait(key(1), Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn as_many_may_wait_as_the_settings_say_and_further_ones_are_refused_at_once() {
    let (queues, order) = (queues(2), Arc::default());
    let turn = Arc::clone(&queues).wait(key(1), LONG).await.unwrap();
    let waiting = [waiter(&queues, &order, 0), waiter(&queues, &order, 1)];
    yield_now().await;

    let watch = Stopwatch::start();
    let error = Arc::clone(&queues).wait(key(1), LONG).await.unwrap_err();
    assert_eq!((error.kind(), watch.elapsed()), (ErrorKind::LockTimeout, Duration::ZERO));
    // The count is each session's own.
    drop(Arc::clone(&queues).wait(key(2), LONG).await.unwrap());

    drop(turn);
    for waiter in waiting {
        waiter.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1]);
    assert_eq!(open(&queues), 0);
    drop(Arc::clone(&queues).wait(key(1), LONG).await.unwrap());
}

#[tokio::test]
async fn a_waiter_that_goes_away_is_not_counted_any_more() {
    let (queues, order) = (queues(1), Arc::default());
    let turn = Arc::clone(&queues).wait(key(1), LONG).await.unwrap();
    for number in 0..3 {
        let waiter = waiter(&queues, &order, number);
        yield_now().await;
        waiter.abort();
        waiter.await.unwrap_err();
    }
    let last = waiter(&queues, &order, 3);
    yield_now().await;
    drop(turn);
    last.await.unwrap();
    assert_eq!((&*order.lock().unwrap(), open(&queues)), (&vec![3], 0));
}

/// It has been woken and goes away before it runs: whoever is behind it must be woken instead.
#[tokio::test]
async fn a_waiter_that_goes_away_with_its_turn_swallows_no_wake_up() {
    let (queues, order) = (queues(64), Arc::default());
    let turn = Arc::clone(&queues).wait(key(1), LONG).await.unwrap();
    let waiting = [waiter(&queues, &order, 0), waiter(&queues, &order, 1)];
    yield_now().await;
    drop(turn);
    let [first, second] = waiting;
    first.abort();
    second.await.unwrap();
    assert_eq!((&*order.lock().unwrap(), open(&queues)), (&vec![1], 0));
}

#[tokio::test]
async fn the_last_to_leave_removes_the_queue_whoever_that_is() {
    let (queues, order) = (queues(64), Arc::default());
    for holder_leaves_first in [true, false] {
        let turn = Arc::clone(&queues).wait(key(1), LONG).await.unwrap();
        let waiter = waiter(&queues, &order, 0);
        yield_now().await;
        if holder_leaves_first {
            drop(turn);
            assert_eq!(open(&queues), 1);
            waiter.await.unwrap();
        } else {
            waiter.abort();
            waiter.await.unwrap_err();
            assert_eq!(open(&queues), 1);
            drop(turn);
        }
        assert_eq!(open(&queues), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_never_have_a_session_at_the_same_time_and_nothing_is_left_in_the_end() {
    let queues = queues(1000);
    let inside: Arc<[AtomicBool; 2]> = Arc::default();
    let mut running = Vec::new();
    for number in 0..100_u8 {
        let (queues, inside) = (Arc::clone(&queues), Arc::clone(&inside));
        running.push(tokio::spawn(async move {
            let inside = &inside[usize::from(number % 2)];
            for _ in 0..20 {
                let turn = Arc::clone(&queues).wait(key(number % 2), LONG).await.unwrap();
                let alone = Alone::enter(inside);
                yield_now().await;
                drop(alone);
                drop(turn);
            }
        }));
        if number % 10 == 0 {
            running.swap_remove(0).abort();
        }
    }
    for task in running {
        task.await.unwrap();
    }
    // Those that were aborted are dropped when their worker gets there.
    while open(&queues) > 0 {
        yield_now().await;
    }
}

/// Inside until dropped, be it that its task is aborted.
struct Alone<'a>(&'a AtomicBool);

impl<'a> Alone<'a> {
    fn enter(inside: &'a AtomicBool) -> Self {
        assert!(!inside.swap(true, Ordering::SeqCst), "somebody else is inside");
        Self(inside)
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
