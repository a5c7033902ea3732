//! Which secrets open a session, and for how long.

use super::*;

/// The longest that the secret before a rotation works: `idle_timeout`, or an hour.
const HOLD: Duration = POLICY.idle;

/// Rotated at [`START`]: the secret 2 is current and was not presented yet.
fn rotated() -> Snapshot {
    revised(&session(), &rotating(), 2, START, &POLICY)
}

/// The secret 2 was presented at this time, by a request that wrote nothing.
fn confirmed_at(now: Timestamp) -> Snapshot {
    corrected_by(2, &rotated(), now).expect("the first request with the new secret writes that down")
}

fn is_superseded(standing: Standing) -> bool {
    matches!(standing, Standing::Superseded { .. })
}

#[test]
fn a_rotated_secret_works_until_the_new_one_was_presented_for_a_grace_time() {
    let presented = later(5 * MINUTE);
    let confirmed = confirmed_at(presented);
    let end = presented.saturating_add(POLICY.grace);
    assert_eq!(standing(&rotated(), 1, presented), Standing::Live);
    assert_eq!(standing(&confirmed, 1, end.saturating_sub(MILLI)), Standing::Live);
    assert_eq!(standing(&confirmed, 1, end), Standing::Superseded { late: false, reused: true });
    assert_eq!(standing(&confirmed, 2, end), Standing::Live);
}

#[test]
fn a_rotated_secret_whose_successor_is_never_presented_works_for_an_idle_time_and_an_hour_at_most() {
    // Busy all the time, by touches.
    let busy = Snapshot { expires_at: Timestamp::MAX, ..rotated() };
    assert_eq!(standing(&busy, 1, later(HOLD - MILLI)), Standing::Live);
    assert!(is_superseded(standing(&busy, 1, later(HOLD))));

    let hour = 60 * MINUTE;
    let policy = Policy { idle: 3 * hour, absolute: 10 * hour, ..POLICY };
    let rotated = revised(&began(&inserting("a"), &policy), &rotating(), 2, START, &policy);
    let busy = Snapshot { expires_at: Timestamp::MAX, ..rotated };
    let judged = |now| judge(&busy, &verifier(1), &visit(1, now), now, &policy);
    assert_eq!(judged(later(hour - MILLI)), Standing::Live);
    assert!(is_superseded(judged(later(hour))));
}

#[test]
fn neither_a_touch_nor_a_write_with_the_old_secret_moves_its_end() {
    let now = later(4 * MINUTE);
    assert_eq!(touched(&rotated(), now, &POLICY), Some(now.saturating_add(POLICY.idle)));
    let written = revised(&rotated(), &inserting("b"), 9, now, &POLICY);
    assert_eq!(written.header.previous, rotated().header.previous);
    assert!(corrected_by(1, &written, now).is_none(), "nor is it taken for the new one");
}

#[test]
fn the_first_request_with_the_new_secret_writes_that_down_in_its_own_save_or_by_one_write() {
    let now = later(MINUTE);
    let saved = revised_by(2, &rotated(), &inserting("b"), 9, now);
    let alone = confirmed_at(now);
    for confirmed in [&saved, &alone] {
        let until = now.saturating_add(POLICY.grace);
        assert_eq!(confirmed.header.previous, Some((verifier(1), until)));
        assert_eq!(confirmed.header.verifier, verifier(2));
        assert!(corrected_by(2, confirmed, later(MINUTE + SECOND)).is_none(), "once");
    }
    assert!(alone.entries.iter().eq(rotated().entries.iter()));
    // Even where activity is not to be noted; others may have moved the idle end, which is not set back.
    let Upkeep::Correct(draft) = upkeep(&rotated(), &visit(2, now), false, now, &POLICY) else {
        panic!("not written down")
    };
    assert_eq!(draft.expires_at, now.saturating_add(POLICY.idle));
}

#[test]
fn a_secret_presented_shortly_before_the_hold_ends_leaves_the_old_one_no_longer() {
    let now = later(HOLD - SECOND);
    let fresh = Snapshot { expires_at: Timestamp::MAX, ..rotated() };
    let confirmed = revised_by(2, &fresh, &inserting("b"), 9, now);
    assert_eq!(confirmed.header.previous, Some((verifier(1), later(HOLD))));
}

#[test]
fn a_request_that_has_made_the_secret_itself_has_not_presented_it() {
    let own = Visit { presented: Some(verifier(1)), ..visit(1, START) };
    assert!(!matches!(upkeep(&rotated(), &own, true, START, &POLICY), Upkeep::Correct(_)));
}

#[test]
fn within_a_grace_time_of_a_rotation_another_by_the_old_secret_is_none() {
    let end = later(POLICY.grace);
    let takes = |by, now| rotating().takes_secret(&rotated(), Some(verifier(by)), now, &POLICY);
    assert!(!takes(1, end.saturating_sub(MILLI)));
    assert!(takes(1, end), "the answer may have got lost");
    let none = revise(&rotated(), &rotating(), None, &visit(1, START), true, START, &POLICY);
    assert!(matches!(none, Ok(Revised::Unchanged)), "{none:?}");
}

#[test]
fn a_later_rotation_by_the_old_secret_replaces_the_one_that_nobody_presented() {
    let now = later(MINUTE);
    let again = revised(&rotated(), &rotating(), 3, now, &POLICY);
    assert_eq!(again.header.previous, Some((verifier(1), now.saturating_add(HOLD))));
    assert!(is_superseded(standing(&again, 2, now)));
    assert_eq!((standing(&again, 1, now), standing(&again, 3, now)), (Standing::Live, Standing::Live));
}

#[test]
fn a_rotation_by_the_new_secret_confirms_it_and_nothing_more() {
    let now = later(MINUTE);
    assert!(!rotating().takes_secret(&rotated(), Some(verifier(2)), now, &POLICY));
    let confirmed = revised_by(2, &rotated(), &rotating(), 9, now);
    assert_eq!(confirmed.header.verifier, verifier(2));
    assert_eq!(confirmed.header.previous, Some((verifier(1), now.saturating_add(POLICY.grace))));
}

#[test]
fn no_rotation_is_made_while_the_grace_after_a_presented_secret_is_open() {
    let confirmed = confirmed_at(later(MINUTE));
    for by in [1, 2] {
        let takes = |now| rotating().takes_secret(&confirmed, Some(verifier(by)), now, &POLICY);
        assert!(!takes(later(MINUTE + POLICY.grace - MILLI)), "{by}");
        assert_eq!(takes(later(MINUTE + POLICY.grace)), by == 2, "{by}");
    }
}

/// Else a slow request with the old secret would give it a successor of its own, long after its grace.
#[test]
fn no_successor_is_made_of_a_secret_whose_grace_is_over() {
    let after = later(MINUTE + POLICY.grace);
    let confirmed = confirmed_at(later(MINUTE));
    let takes = |by| rotating().takes_secret(&confirmed, Some(verifier(by)), after, &POLICY);
    assert!(!takes(1) && takes(2));
}

#[test]
fn a_sign_in_and_an_elevation_drop_both_secrets_at_once_in_and_out_of_a_grace() {
    for changes in [signing_in("ann"), elevating()] {
        for (before, old) in
            [(session(), &[1][..]), (rotated(), &[1, 2]), (confirmed_at(later(SECOND)), &[1, 2])]
        {
            for by in old {
                let after = revised_by(*by, &before, &changes, 3, later(SECOND));
                for old in old {
                    assert!(is_superseded(standing(&after, *old, later(SECOND))), "{old} after {changes:?}");
                    // On a server whose clock is late, too.
                    assert!(is_superseded(standing(&after, *old, START)), "{old} after {changes:?}");
                }
                assert_eq!(standing(&after, 3, later(SECOND)), Standing::Live);
            }
        }
    }
}

#[test]
fn an_elevation_keeps_everything_but_the_secret() {
    let user = revised(&session(), &signing_in("ann"), 2, START, &POLICY);
    let elevated = revised_by(2, &user, &elevating(), 3, later(SECOND));
    assert_eq!((&elevated.subject, elevated.header.ends_at), (&user.subject, user.header.ends_at));
    assert_eq!(elevated.header.authenticated_at, user.header.authenticated_at);
    assert!(elevated.entries.iter().eq(user.entries.iter()));
}

#[test]
fn a_secret_that_never_was_is_superseded_and_not_reused() {
    let stranger = standing(&confirmed_at(START), 9, later(MINUTE));
    assert_eq!(stranger, Standing::Superseded { late: false, reused: false });
}

#[test]
fn a_rotation_of_an_earlier_version_has_the_end_that_it_wrote() {
    let Snapshot { header, entries, .. } = session();
    let header = Header { previous: Some((verifier(7), later(POLICY.grace))), ..header };
    let old = envelope::write(header, entries.size(), entries.iter(), std::iter::empty());
    let old = stored(Draft { expires_at: later(POLICY.idle), subject: None, envelope: old });
    assert_eq!(standing(&old, 7, later(POLICY.grace - MILLI)), Standing::Live);
    assert!(is_superseded(standing(&old, 7, later(POLICY.grace))));
    assert!(corrected_by(1, &old, later(SECOND)).is_none());
}
