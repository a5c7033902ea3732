use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn count(tasks: &Tasks) -> usize {
    tasks.tracker.len()
}

#[test]
fn work_that_never_waits_is_finished_without_a_runtime() {
    let tasks = Tasks::new();
    let mut finish = pin!(tasks.finish(Box::pin(async { 7 })));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(finish.as_mut().poll(&mut context), Poll::Ready(7));
}

#[tokio::test]
async fn work_that_waits_is_finished_in_a_task() {
    let tasks = Arc::new(Tasks::new());
    let running = Arc::clone(&tasks);
    let work = async move {
        let before = count(&running);
        yield_now().await;
        (before, count(&running))
    };
    assert_eq!(tasks.finish(Box::pin(work)).await, (0, 1));
    assert_eq!(count(&tasks), 0);
}

#[tokio::test]
async fn work_that_has_begun_is_finished_when_its_caller_goes_away() {
    let tasks = Tasks::new();
    let (go, wait) = oneshot::channel::<()>();
    let (done, outcome) = oneshot::channel();
    let mut caller = Box::pin(tasks.finish(Box::pin(async move {
        wait.await.unwrap();
        done.send(7).unwrap();
    })));
    tokio::select! {
        biased;
        () = &mut caller => panic!("nothing has let it go yet"),
        () = yield_now() => {}
    }
    drop(caller);
    go.send(()).unwrap();
    assert_eq!(outcome.await, Ok(7));
    assert!(tasks.drain(SECOND).await);
}

#[test]
fn work_on_a_pinned_runtime_survives_the_runtime_of_its_caller() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for stays in [true, false] {
        let (pinned, worker) = (runtime(), runtime());
        let tasks = pinned.block_on(async { Tasks::new() });
        if stays {
            tasks.pin_runtime();
        }
        let (done, mut outcome) = oneshot::channel();
        let work = tasks.finish(Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            done.send(7).unwrap();
        }));
        worker.block_on(async {
            tokio::select! {
                biased;
                () = work => panic!("it takes longer"),
                () = yield_now() => {}
            }
        });
        drop(worker);
        assert!(pinned.block_on(tasks.drain(SECOND)));
        assert_eq!(outcome.try_recv().is_ok(), stays);
    }
}

#[test]
fn without_its_pinned_runtime_work_runs_where_its_caller_is() {
    let tasks = tokio::runtime::Runtime::new().unwrap().block_on(async { Tasks::new() });
    tasks.pin_runtime();
    let worker = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let work = tasks.finish(Box::pin(async {
        yield_now().await;
        7
    }));
    assert_eq!(worker.block_on(work), 7);
}

#[tokio::test]
async fn a_panic_in_the_work_goes_on_in_its_caller() {
    let tasks = Tasks::new();
    for waits in [false, true] {
        let finish = tasks.finish(Box::pin(async move {
            if waits {
                yield_now().await;
            }
            std::panic::panic_any("what went wrong");
        }));
        let caught = CatchUnwind(Box::pin(finish)).await.unwrap_err();
        assert_eq!(caught.downcast_ref(), Some(&"what went wrong"), "waits: {waits}");
        assert_eq!(count(&tasks), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_all_that_runs_and_for_what_that_begins() {
    let tasks = Arc::new(Tasks::new());
    let order = Arc::new(Mutex::new(Vec::new()));
    for seconds in [1, 3] {
        let (order, inner) = (Arc::clone(&order), Arc::clone(&tasks));
        tasks.spawn(async move {
            tokio::time::sleep(seconds * SECOND).await;
            order.lock().unwrap().push(seconds);
            let order = Arc::clone(&order);
            inner.spawn(async move {
                tokio::time::sleep(SECOND).await;
                order.lock().unwrap().push(10 + seconds);
            });
        });
    }
    assert!(tasks.drain(10 * SECOND).await);
    assert_eq!(*order.lock().unwrap(), [1, 11, 3, 13]);
}

#[tokio::test(start_paused = true)]
async fn draining_gives_up_in_time_and_says_so() {
    let tasks = Tasks::new();
    tasks.spawn(std::future::pending::<()>());
    let watch = crate::clock::Stopwatch::start();
    assert!(!tasks.drain(10 * SECOND).await);
    assert_eq!(watch.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn where_nothing_runs_there_is_nothing_to_wait_for() {
    assert!(Tasks::new().drain(Duration::ZERO).await);
}

#[tokio::test]
async fn a_task_that_panics_or_is_aborted_is_counted_out() {
    let tasks = Tasks::new();
    let panics = tasks.spawn(async { panic!("told to") });
    let never = tasks.spawn(std::future::pending::<()>());
    assert_eq!(count(&tasks), 2);
    never.abort();
    assert!(panics.await.unwrap_err().is_panic());
    assert!(tasks.drain(SECOND).await);
}

/// Catches what a future panics with.
struct CatchUnwind<F>(F);

impl<F: Future + Unpin> Future for CatchUnwind<F> {
    type Output = std::thread::Result<F::Output>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let future = std::pin::Pin::new(&mut self.0);
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
