use std::time::Duration;

use super::*;

fn lifetime(expires_at: u64, now: u64) -> Lifetime {
    Lifetime::of(Timestamp::from_millis(expires_at), Timestamp::from_millis(now))
}

/// A connection that was made in November 2023, a minute ago.
fn expiry(seconds: u64) -> i32 {
    let at = now();
    ServerClock::new(READ, at).expiry(Lifetime::Seconds(seconds), at + Duration::from_millis(60_900))
}

#[allow(clippy::disallowed_methods, reason = "where an elapsed time begins")]
fn now() -> Instant {
    Instant::now()
}

const READ: u64 = 1_700_000_000;
const MONTH: u64 = 2_592_000;
const LAST: u64 = 2_147_483_647;

#[test]
fn an_item_is_kept_for_the_rest_of_its_life_and_ten_minutes_and_not_a_moment_less() {
    for now in [0, 1_700_000_000_000, 9_000_000_000_000_000] {
        for (left, seconds) in
            [(0, 601), (1, 602), (999, 602), (1_000, 602), (1_001, 603), (86_400_000, 87_001)]
        {
            assert_eq!(lifetime(now + left, now), Lifetime::Seconds(seconds), "{left} ms from {now}");
        }
    }
}

#[test]
fn what_has_expired_is_kept_for_what_is_left_of_ten_minutes() {
    for (ago, seconds) in
        [(0, 601), (1, 601), (1_000, 600), (599_999, 2), (600_000, 0), (1_700_000_000_000, 0)]
    {
        let (expires_at, now) = (1_700_000_000_000, 1_700_000_000_000 + ago);
        assert_eq!(lifetime(expires_at, now), Lifetime::Seconds(seconds), "{ago} ms ago");
    }
}

#[test]
fn the_end_of_time_is_no_overflow() {
    assert!(lifetime(u64::MAX, 0) > Lifetime::Seconds(9_000_000_000_000_000));
    assert_eq!(expiry(u64::MAX), i32::MAX);
    assert_eq!(ServerClock::new(u64::MAX, now()).expiry(Lifetime::Seconds(u64::MAX), now()), 2_592_000);
}

#[test]
fn up_to_thirty_days_are_sent_as_a_length() {
    for seconds in [601, MONTH - 1, MONTH] {
        assert_eq!(u64::from(expiry(seconds).unsigned_abs()), seconds);
    }
    assert_eq!(expiry(0), -1, "0 would be forever");
}

#[test]
fn more_is_sent_as_a_time_on_the_servers_clock() {
    let end = READ + 60 + MONTH + 1 + 2;
    assert_eq!(u64::from(expiry(MONTH + 1).unsigned_abs()), end);
}

#[test]
fn times_that_memcached_would_take_for_over_are_never_sent() {
    for seconds in [LAST - READ, LAST, u64::from(u32::MAX)] {
        assert_eq!(expiry(seconds), i32::MAX);
    }
    // Its last month, and the time after it.
    for read in [LAST - MONTH, LAST - 1, LAST, LAST + 1, 4_102_444_800] {
        let clock = ServerClock::new(read, now());
        for seconds in [MONTH + 1, 2 * MONTH] {
            assert_eq!(clock.expiry(Lifetime::Seconds(seconds), now()), 2_592_000, "{read}");
        }
    }
}

#[test]
fn what_never_expires_stays_so() {
    assert_eq!(ServerClock::new(READ, now()).expiry(Lifetime::Forever, now()), 0);
    assert!(Lifetime::Forever.covers(Lifetime::Seconds(u64::MAX)));
    assert!(!Lifetime::Seconds(u64::MAX).covers(Lifetime::Forever));
}

/// Or each of two touches at about the same time would be a write.
#[test]
fn a_second_less_than_what_is_wanted_is_enough() {
    assert!(Lifetime::Seconds(600).covers(Lifetime::Seconds(601)));
    assert!(!Lifetime::Seconds(599).covers(Lifetime::Seconds(601)));
}
