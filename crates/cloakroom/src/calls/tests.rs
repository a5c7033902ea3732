use cloakroom_store::{Applied, ErrorKind};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(2);

fn calls() -> Calls {
    Calls::new(TIMEOUT)
}

fn what() -> StoreCall {
    StoreCall::new("load", None)
}

fn detached(calls: &Calls) -> usize {
    calls.detached.load(Ordering::Relaxed)
}

fn call<T>(future: impl Future<Output = Result<T>> + Send + 'static) -> Call<T> {
    Call::new(what(), Box::pin(future))
}

fn takes(time: Duration) -> Call<u8> {
    call(async move {
        sleep(time).await;
        Ok(7)
    })
}

fn never() -> Call<()> {
    call(std::future::pending())
}

const MAYBE: ErrorKind = ErrorKind::Unavailable(Applied::Maybe);
const NOT: ErrorKind = ErrorKind::Unavailable(Applied::No);

/// Calls of which `MAX_DETACHED` minus `free` are detached.
async fn nearly_exhausted(free: usize) -> Calls {
    let calls = calls();
    let mut late = Vec::new();
    for _ in free..MAX_DETACHED {
        late.push(tokio::spawn(calls.timed(Budget(Duration::from_millis(1)), never())));
    }
    for call in late {
        call.await.unwrap().0.unwrap_err();
    }
    calls
}

#[test]
fn a_call_that_answers_at_once_needs_no_task_and_costs_no_budget() {
    let calls = calls();
    let mut timed = calls.timed(Budget(SECOND), call(async { Ok(7) }));
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(matches!(Pin::new(&mut timed).poll(&mut context), Poll::Ready((Ok(7), Duration::ZERO))));
    assert_eq!(detached(&calls), 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_the_calls_own_whether_it_comes_at_once_or_later() {
    let calls = calls();
    for waits in [false, true] {
        let call = call(async move {
            if waits {
                sleep(SECOND).await;
            }
            Err::<(), _>(Error::new(ErrorKind::Conflict))
        });
        let error = calls.wait(&mut Budget(TIMEOUT), call).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_may_take_its_time_up_to_the_deadline() {
    let calls = calls();
    let just_in_time = TIMEOUT - Duration::from_millis(1);
    assert_eq!(calls.wait(&mut Budget(3 * TIMEOUT), takes(just_in_time)).await.unwrap(), 7);
    let watch = Stopwatch::start();
    let late = calls.wait(&mut Budget(3 * TIMEOUT), takes(2 * TIMEOUT)).await.unwrap_err();
    assert_eq!((late.kind(), watch.elapsed().as_secs()), (MAYBE, TIMEOUT.as_secs()));
}

#[tokio::test(start_paused = true)]
async fn all_calls_of_a_request_share_its_budget() {
    let (calls, mut budget) = (calls(), Budget(2 * TIMEOUT - SECOND));
    assert_eq!(calls.wait(&mut budget, takes(SECOND)).await.unwrap(), 7);
    assert_eq!(budget.0.as_secs(), 2 * TIMEOUT.as_secs() - 2);
    let watch = Stopwatch::start();
    calls.wait(&mut budget, never()).await.unwrap_err();
    assert_eq!((watch.elapsed().as_secs(), budget.0), (2, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_budget_below_the_deadline_is_the_deadline() {
    let (calls, mut budget) = (calls(), Budget(SECOND));
    let watch = Stopwatch::start();
    let late = calls.wait(&mut budget, never()).await.unwrap_err();
    assert_eq!((late.kind(), watch.elapsed().as_secs(), budget.0), (MAYBE, 1, Duration::ZERO));
}

#[tokio::test]
async fn without_a_budget_nothing_is_sent() {
    let (calls, mut budget) = (calls(), Budget(Duration::ZERO));
    let call = call::<()>(async { panic!("it was sent") });
    let error = calls.wait(&mut budget, call).await.unwrap_err();
    assert_eq!(error.kind(), NOT);
}

#[tokio::test(start_paused = true)]
async fn a_call_past_its_deadline_runs_on_and_is_counted_until_it_is_done() {
    let calls = calls();
    let (done, outcome) = oneshot::channel();
    let call = call(async move {
        sleep(10 * SECOND).await;
        done.send(()).unwrap();
        Ok(())
    });
    calls.wait(&mut Budget(TIMEOUT), call).await.unwrap_err();
    assert_eq!(detached(&calls), 1);
    outcome.await.unwrap();
    yield_now().await;
    assert_eq!(detached(&calls), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_end_is_given_up_half_a_minute_after_its_deadline() {
    let calls = calls();
    calls.wait(&mut Budget(SECOND), never()).await.unwrap_err();
    sleep(MAX_DETACHED_TIME - Duration::from_millis(10)).await;
    assert_eq!(detached(&calls), 1);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(detached(&calls), 0);
}

#[tokio::test(start_paused = true)]
async fn when_too_many_calls_are_detached_further_ones_are_refused_at_once_and_unsent() {
    let calls = nearly_exhausted(1).await;
    assert_eq!(detached(&calls), MAX_DETACHED - 1);
    assert_eq!(calls.wait(&mut Budget(TIMEOUT), takes(SECOND)).await.unwrap(), 7);

    calls.wait(&mut Budget(SECOND), never()).await.unwrap_err();
    assert_eq!(detached(&calls), MAX_DETACHED);
    let call = call::<()>(async { panic!("it was sent") });
    let error = calls.wait(&mut Budget(TIMEOUT), call).await.unwrap_err();
    assert_eq!(error.kind(), NOT);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_no_call_is_counted_any_more() {
    let calls = nearly_exhausted(0).await;
    calls.wait(&mut Budget(TIMEOUT), never()).await.unwrap_err();
    sleep(TIMEOUT + 2 * MAX_DETACHED_TIME).await;
    assert_eq!(detached(&calls), 0);
    assert_eq!(calls.wait(&mut Budget(TIMEOUT), takes(SECOND)).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn calls_with_another_deadline_share_the_count() {
    let calls = nearly_exhausted(0).await;
    let error = calls.with_timeout(SECOND * 9).wait(&mut Budget(TIMEOUT), takes(SECOND)).await.unwrap_err();
    assert_eq!(error.kind(), NOT);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_fails_its_call_and_nothing_else() {
    let calls = calls();
    for waits in [false, true] {
        let call = call::<()>(async move {
            if waits {
                sleep(SECOND).await;
            }
            panic!("told to");
        });
        let error = calls.wait(&mut Budget(TIMEOUT), call).await.unwrap_err();
        assert_eq!((error.kind(), detached(&calls)), (MAYBE, 0), "waits: {waits}");
    }
}
