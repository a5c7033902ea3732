use cloakroom_store::{LeaseId, Timestamp};
use tokio::time::sleep;

use super::*;

const TTL: Duration = Duration::from_secs(10);
const DUE: Duration = Duration::from_secs(15);
const MOMENT: Duration = Duration::from_millis(1);

fn key(number: usize) -> Key {
    Key::new(std::array::from_fn(|at| (number >> (8 * (at % 8))) as u8))
}

fn lease(until: u64) -> SeenLease {
    SeenLease::new(LeaseId::new(7), Timestamp::from_millis(until))
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_stays_the_same_for_longer_than_it_can_last_is_dead() {
    let seen = SeenLeases::new(TTL);
    assert_eq!((seen.dead(&key(1)), seen.dead_in(&key(1))), (None, None));
    seen.note(key(1), lease(5));
    assert_eq!(seen.dead_in(&key(1)), Some(DUE));
    sleep(DUE - MOMENT).await;
    assert_eq!((seen.dead(&key(1)), seen.dead_in(&key(1))), (None, Some(MOMENT)));
    seen.note(key(1), lease(5));
    sleep(MOMENT).await;
    assert_eq!((seen.dead(&key(1)), seen.dead_in(&key(1))), (Some(lease(5)), Some(Duration::ZERO)));
    assert_eq!(seen.dead(&key(2)), None);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_renewed_or_passed_on_is_watched_anew() {
    let other = SeenLease::new(LeaseId::new(8), Timestamp::from_millis(5));
    for changed in [lease(6), other] {
        let seen = SeenLeases::new(TTL);
        seen.note(key(1), lease(5));
        sleep(DUE - MOMENT).await;
        seen.note(key(1), changed);
        sleep(MOMENT).await;
        assert_eq!(seen.dead(&key(1)), None);
        sleep(DUE).await;
        assert_eq!(seen.dead(&key(1)), Some(changed));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_watched_anew() {
    let seen = SeenLeases::new(TTL);
    seen.note(key(1), lease(5));
    sleep(DUE).await;
    seen.forget(&key(1));
    assert_eq!(seen.dead(&key(1)), None);
    seen.note(key(1), lease(5));
    assert_eq!(seen.dead_in(&key(1)), Some(DUE));
}

#[tokio::test(start_paused = true)]
async fn the_memory_is_bounded_and_drops_what_nobody_asks_about() {
    let seen = SeenLeases::new(TTL);
    for number in 0..MAX_SEEN {
        seen.note(key(number), lease(5));
        sleep(MOMENT).await;
    }
    seen.note(key(0), lease(5));
    for number in MAX_SEEN..MAX_SEEN + 10 {
        seen.note(key(number), lease(5));
    }
    assert_eq!(seen.all().len(), MAX_SEEN);
    let dropped: Vec<_> = (0..MAX_SEEN + 10).filter(|number| seen.dead_in(&key(*number)).is_none()).collect();
    assert_eq!(dropped, (1..=10).collect::<Vec<_>>());
}
