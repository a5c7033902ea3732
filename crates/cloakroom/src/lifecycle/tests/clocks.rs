//! A clock that ran ahead, and was corrected: what it wrote extends nothing and keeps no visitor out.

use super::*;

/// How far the clock ran ahead, which shows `now` when it is right.
const AHEAD: Duration = Duration::from_secs(2 * 3600);

/// What a server wrote whose clock ran ahead by this.
fn ahead(by: Duration) -> Timestamp {
    START.saturating_add(by)
}

fn written_ahead(by: Duration) -> Snapshot {
    stored(begin(&inserting("a"), verifier(1), &from(HERE), ahead(by), &POLICY).unwrap().unwrap())
}

#[test]
fn times_up_to_five_seconds_ahead_are_nothing_unusual() {
    for (by, corrects) in
        [(5 * SECOND, false), (5 * SECOND + MILLI, true), (31 * SECOND, true), (AHEAD, true)]
    {
        let user =
            stored(begin(&signing_in("ann"), verifier(1), &from(HERE), ahead(by), &POLICY).unwrap().unwrap());
        assert_eq!(standing(&user, 1, START), Standing::Live);
        assert_eq!(corrected_by(1, &user, START).is_some(), corrects, "{by:?}");
    }
}

#[test]
fn the_first_request_that_looks_corrects_a_life_that_is_too_long() {
    let corrected = corrected_by(1, &written_ahead(AHEAD), START).unwrap();
    assert_eq!(
        (corrected.expires_at, corrected.ends_at(&POLICY)),
        (later(POLICY.idle), later(POLICY.absolute))
    );
    // Once: what is right is not written again.
    assert!(corrected_by(1, &corrected, later(SECOND)).is_none());
    assert_eq!(touched(&corrected, later(MINUTE), &POLICY), Some(later(MINUTE + POLICY.idle)));
    assert_eq!(corrected.ends_at(&POLICY), later(POLICY.absolute));
}

#[test]
fn a_write_corrects_it_as_well() {
    let written = revised(&written_ahead(AHEAD), &inserting("b"), 9, START, &POLICY);
    assert_eq!((written.expires_at, written.ends_at(&POLICY)), (later(POLICY.idle), later(POLICY.absolute)));
}

#[test]
fn a_remembered_session_counts_by_its_own_length() {
    let month = 30 * 24 * 60 * MINUTE;
    let changes = Changes { remember: Some(Remember::For(month)), ..signing_in("ann") };
    let remembered = |at| stored(begin(&changes, verifier(1), &from(HERE), at, &POLICY).unwrap().unwrap());
    assert!(corrected_by(1, &remembered(START), START).is_none());
    let corrected = corrected_by(1, &remembered(ahead(AHEAD)), START).unwrap();
    assert_eq!((corrected.expires_at, corrected.ends_at(&POLICY)), (later(month), later(month)));
}

/// A deployment that shortens it would else be taken for a clock.
#[test]
fn a_session_that_began_under_a_longer_absolute_time_is_not_ahead() {
    let shorter = Policy { absolute: 20 * MINUTE, ..POLICY };
    assert!(matches!(upkeep(&session(), &visit(1, START), true, START, &shorter), Upkeep::Nothing));
}

#[test]
fn a_grace_that_is_too_far_ahead_is_over_for_good() {
    let rotated = revised(&session(), &rotating(), 2, ahead(AHEAD), &POLICY);
    assert!(matches!(standing(&rotated, 1, START), Standing::Superseded { late: false, .. }));
    assert_eq!(standing(&rotated, 2, START), Standing::Live);
    let corrected = corrected_by(2, &rotated, START).unwrap();
    for now in [START, ahead(AHEAD), ahead(AHEAD + SECOND)] {
        let busy = Snapshot { expires_at: Timestamp::MAX, ..corrected.clone() };
        assert!(!busy.accepts(&verifier(1), now, now, &POLICY), "not when the time comes, either");
    }
}

#[test]
fn a_grace_five_seconds_ahead_is_open_and_one_six_seconds_ahead_is_not() {
    for (by, open) in [(5 * SECOND, true), (6 * SECOND, false)] {
        let rotated = revised(&session(), &rotating(), 2, ahead(by), &POLICY);
        assert_eq!(standing(&rotated, 1, START) == Standing::Live, open, "{by:?}");
    }
}

#[test]
fn a_change_that_is_ahead_of_now_makes_nobody_late() {
    for (by, late) in [(5 * SECOND, true), (6 * SECOND, false), (AHEAD, false)] {
        let signed_in = revised(&session(), &signing_in("ann"), 2, ahead(by), &POLICY);
        let superseded = Standing::Superseded { late, reused: !late };
        assert_eq!(standing(&signed_in, 1, START), superseded, "{by:?}");
        let tombstone = stored(end(&session(), ahead(by)));
        assert_eq!(standing(&tombstone, 1, START) != Standing::Gone, late, "{by:?}");
    }
}

#[test]
fn a_rotation_that_is_ahead_of_now_was_long_ago() {
    let rotated = revised(&session(), &rotating(), 2, ahead(AHEAD), &POLICY);
    assert!(rotating().takes_secret(&rotated, Some(verifier(2)), START, &POLICY));
}

#[test]
fn a_sign_in_ahead_of_now_is_not_recent() {
    for (by, recent) in [(5 * SECOND, true), (6 * SECOND, false), (AHEAD, false)] {
        let user =
            stored(begin(&signing_in("ann"), verifier(1), &from(HERE), ahead(by), &POLICY).unwrap().unwrap());
        assert_eq!(user.authenticated_within(15 * MINUTE, START), recent, "{by:?}");
    }
    let user = began(&signing_in("ann"), &POLICY);
    assert!(user.authenticated_within(MINUTE, later(MINUTE - MILLI)));
    assert!(!user.authenticated_within(MINUTE, later(MINUTE)));
    assert!(!session().authenticated_within(MINUTE, START), "nobody signed in");
}

#[test]
fn a_clock_set_back_a_little_ends_nobodys_session_and_lengthens_none() {
    let now = later(5 * SECOND);
    let rotated = revised(&session(), &rotating(), 2, now, &POLICY);
    assert_eq!(standing(&rotated, 2, START), Standing::Live);
    assert_eq!(touched(&rotated, START, &POLICY), None);
    let written = revised(&rotated, &inserting("b"), 3, START, &POLICY);
    assert_eq!(written.header.ends_at, later(POLICY.absolute));
}
