//! Requests that come with a secret that is dead: late, or from a new visitor.

use super::*;

/// A request that began then, and is judged a minute after [`START`] or at its own time, whichever is later.
fn judged(snapshot: &Snapshot, secret: u8, began: Timestamp, late_window: Duration) -> Standing {
    let now = began.max(later(MINUTE));
    judge(snapshot, &verifier(secret), &Visit { late_window, ..visit(secret, began) }, now, &POLICY)
}

#[test]
fn a_request_is_late_if_it_began_before_the_change_or_in_the_window_after_it() {
    let (window, upload) = (10 * SECOND, 5 * MINUTE);
    let change = later(MINUTE);
    let signed_in = revised(&session(), &signing_in("ann"), 2, change, &POLICY);
    let ended = stored(end(&session(), change));
    for window in [window, upload] {
        for began in [START, change, change.saturating_add(window - MILLI)] {
            let late = Standing::Superseded { late: true, reused: false };
            assert_eq!(judged(&signed_in, 1, began, window), late);
            assert_eq!(judged(&ended, 1, began, window), late);
        }
        let after = change.saturating_add(window);
        assert_eq!(judged(&signed_in, 1, after, window), Standing::Superseded { late: false, reused: true });
        assert_eq!(judged(&ended, 1, after, window), Standing::Gone);
    }
}

#[test]
fn a_secret_in_its_grace_when_the_request_began_is_accepted_for_ten_minutes_before_the_head() {
    let rotated = revised(&session(), &rotating(), 2, START, &POLICY);
    let confirmed = corrected_by(2, &rotated, START).unwrap();
    let confirmed = Snapshot { expires_at: Timestamp::MAX, ..confirmed };
    let began = later(POLICY.grace - MILLI);
    let at =
        |now, streams| judge(&confirmed, &verifier(1), &Visit { streams, ..visit(1, began) }, now, &POLICY);
    let last = began.saturating_add(10 * MINUTE);
    assert_eq!(at(last, false), Standing::Live);
    assert!(matches!(at(last.saturating_add(MILLI), false), Standing::Superseded { .. }));
    assert!(matches!(at(later(POLICY.grace), true), Standing::Superseded { .. }), "a stream goes by now");
}

/// U1, R2: what another request writes meanwhile does not shut out one that began in the grace.
#[test]
fn a_write_after_the_grace_leaves_its_end_to_requests_that_began_in_it() {
    let rotated = revised(&session(), &rotating(), 2, START, &POLICY);
    let confirmed = corrected_by(2, &rotated, START).unwrap();
    let began = later(POLICY.grace - MILLI);
    let written = revised_by(2, &confirmed, &inserting("b"), 9, later(MINUTE));
    let at = |snapshot: &Snapshot, now| judge(snapshot, &verifier(1), &visit(1, began), now, &POLICY);
    assert_eq!(at(&written, later(2 * MINUTE)), Standing::Live);
    assert!(
        matches!(standing(&written, 1, later(MINUTE)), Standing::Superseded { .. }),
        "others are refused"
    );
    let later_still =
        revised_by(2, &written, &inserting("c"), 9, later(POLICY.grace + 10 * MINUTE - MILLI - SECOND));
    assert_eq!(later_still.header.previous, written.header.previous);
    let busy = Snapshot { expires_at: Timestamp::MAX, ..later_still };
    let forgotten = revised_by(2, &busy, &inserting("d"), 9, later(POLICY.grace + 10 * MINUTE));
    assert_eq!(forgotten.header.previous, Some((verifier(1), NEVER)));
}

#[test]
fn a_tombstone_says_when_the_session_was_ended_and_nothing_of_whose_it_was() {
    let policy = Policy { bind_address: true, ..POLICY };
    let mut full = began(&signing_in("ann"), &policy);
    full = revised(&full, &remembering(MINUTE), 2, START, &policy);
    full = revised(&full, &rotating(), 3, START, &policy);
    let now = later(SECOND);
    let Snapshot { subject, header, entries, extensions, expires_at, .. } = stored(end(&full, now));
    assert_eq!((subject, header.address, header.previous, header.remembered), (None, None, None, None));
    assert_eq!((entries.size().count, extensions.is_empty()), (0, true));
    assert_eq!((header.secret_since, header.ends_at), (now, now));
    // So no touch moves its expiry, and no count takes it for a session.
    assert_eq!(expires_at, now);
}
