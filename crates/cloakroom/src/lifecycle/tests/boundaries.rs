//! To the millisecond, and at the edges of the settings.

use super::*;

#[test]
fn a_session_is_live_until_the_millisecond_in_which_its_idle_time_is_over() {
    let expires_at = session().expires_at;
    assert_eq!(expires_at, later(POLICY.idle));
    assert_eq!(standing(&session(), 1, expires_at.saturating_sub(MILLI)), Standing::Live);
    assert_eq!(standing(&session(), 1, expires_at), Standing::Expired);
}

#[test]
fn a_busy_session_is_live_until_the_millisecond_of_its_absolute_limit() {
    let busy = Snapshot { expires_at: Timestamp::MAX, ..session() };
    let ends_at = later(POLICY.absolute);
    assert_eq!(standing(&busy, 1, ends_at.saturating_sub(MILLI)), Standing::Live);
    assert_eq!(standing(&busy, 1, ends_at), Standing::Expired);
}

#[test]
fn a_rotated_secret_works_until_the_millisecond_in_which_its_grace_is_over() {
    let rotated = revised(&session(), &rotating(), 2, START, &POLICY);
    let end = later(POLICY.grace);
    assert_eq!(standing(&rotated, 1, end.saturating_sub(MILLI)), Standing::Live);
    assert_eq!(standing(&rotated, 1, end), Standing::Superseded { recent: false, reused: true });
    assert_eq!(standing(&rotated, 2, end), Standing::Live);
}

#[test]
fn the_secret_before_a_sign_in_is_dead_at_once_and_known_as_recent_for_a_grace() {
    let signed_in = revised(&session(), &signing_in("ann"), 2, START, &POLICY);
    let end = later(POLICY.grace);
    for now in [START, end.saturating_sub(MILLI)] {
        assert_eq!(standing(&signed_in, 1, now), Standing::Superseded { recent: true, reused: false });
    }
    assert_eq!(standing(&signed_in, 1, end), Standing::Superseded { recent: false, reused: true });
}

#[test]
fn the_secret_before_a_sign_in_is_dead_on_a_server_whose_clock_is_late_too() {
    let signed_in = revised(&session(), &signing_in("ann"), 2, later(SECOND), &POLICY);
    assert!(matches!(standing(&signed_in, 1, START), Standing::Superseded { recent: true, .. }));
    assert_eq!(standing(&signed_in, 2, START), Standing::Live);
}

#[test]
fn a_sign_in_during_a_grace_ends_that_grace() {
    let rotated = revised(&session(), &rotating(), 2, START, &POLICY);
    let signed_in = revised(&rotated, &signing_in("ann"), 3, START, &POLICY);
    for secret in [1, 2] {
        assert!(matches!(standing(&signed_in, secret, START), Standing::Superseded { .. }), "{secret}");
    }
    assert_eq!(standing(&signed_in, 3, START), Standing::Live);
}

#[test]
fn a_secret_that_never_was_is_superseded_and_not_reused() {
    let rotated = revised(&session(), &rotating(), 2, START, &POLICY);
    let stranger = standing(&rotated, 9, later(POLICY.grace));
    assert_eq!(stranger, Standing::Superseded { recent: false, reused: false });
}

#[test]
fn a_tombstone_is_recent_for_a_grace_and_then_forgotten() {
    let tombstone = stored(end(&session(), later(MINUTE), &POLICY));
    let end = later(MINUTE + POLICY.grace);
    for secret in [1, 9] {
        let recent = Standing::Superseded { recent: true, reused: false };
        assert_eq!(standing(&tombstone, secret, end.saturating_sub(MILLI)), recent);
        assert_eq!(standing(&tombstone, secret, end), Standing::Gone);
    }
}

/// So no count takes it for a session, no touch moves its expiry, and stores keep it as long as it is needed: ten minutes.
#[test]
fn a_tombstones_record_expires_at_once_and_ten_minutes_before_a_longer_grace_ends() {
    let now = later(MINUTE);
    for (grace, expires_at) in [
        (MILLI, now),
        (10 * MINUTE, now),
        (10 * MINUTE + MILLI, now.saturating_add(MILLI)),
        (60 * MINUTE, now.saturating_add(50 * MINUTE)),
    ] {
        let tombstone = stored(end(&session(), now, &Policy { grace, ..POLICY }));
        assert_eq!(tombstone.expires_at, expires_at, "{grace:?}");
        assert_eq!(tombstone.header.ends_at, now.saturating_add(grace), "{grace:?}");
        let recent = Standing::Superseded { recent: true, reused: false };
        let last = now.saturating_add(grace).saturating_sub(MILLI);
        assert_eq!(standing(&tombstone, 1, last), recent, "{grace:?}");
    }
}

#[test]
fn a_late_touch_keeps_no_tombstone_alive() {
    let tombstone = Snapshot { expires_at: later(POLICY.idle), ..stored(end(&session(), START, &POLICY)) };
    assert_eq!(standing(&tombstone, 1, later(POLICY.grace)), Standing::Gone);
}

#[test]
fn a_tombstone_keeps_nothing_of_whose_session_it_was() {
    let policy = Policy { bind_address: true, ..POLICY };
    let mut full = began(&signing_in("ann"), &policy);
    full = revised(&full, &remembering(MINUTE), 2, START, &policy);
    full = revised(&full, &rotating(), 3, START, &policy);
    let Snapshot { subject, header, entries, .. } = stored(end(&full, START, &policy));
    assert_eq!((subject, header.address, header.previous, header.remembered), (None, None, None, None));
    assert_eq!(entries.size().count, 0);
}

#[test]
fn without_a_grace_an_old_secret_and_a_tombstone_are_forgotten_at_once() {
    let policy = Policy { grace: Duration::ZERO, ..POLICY };
    let rotated = revised(&session(), &rotating(), 2, START, &policy);
    let old = judge(&rotated, &verifier(1), HERE, START, &policy);
    assert_eq!(old, Standing::Superseded { recent: false, reused: true });
    let again = revised(&rotated, &rotating(), 3, START, &policy);
    assert_eq!(judge(&again, &verifier(3), HERE, START, &policy), Standing::Live);
    let tombstone = stored(end(&session(), START, &policy));
    assert_eq!(judge(&tombstone, &verifier(1), HERE, START, &policy), Standing::Gone);
}

#[test]
fn a_rotation_during_the_grace_of_another_is_none() {
    let rotated = revised(&session(), &rotating(), 2, START, &POLICY);
    let end = later(POLICY.grace);
    assert!(!rotating().takes_secret(&rotated, end.saturating_sub(MILLI)));
    assert!(rotating().takes_secret(&rotated, end));
    let none = revise(&rotated, &rotating(), None, true, START, &POLICY);
    assert!(matches!(none, Ok(Revised::Unchanged)), "{none:?}");
}

#[test]
fn a_sign_in_begins_the_absolute_time_anew_and_a_rotation_does_not() {
    let now = later(5 * MINUTE);
    assert_eq!(revised(&session(), &rotating(), 2, now, &POLICY).header.ends_at, later(POLICY.absolute));
    let signed_in = revised(&session(), &signing_in("ann"), 2, now, &POLICY);
    assert_eq!(signed_in.ends_at(&POLICY), now.saturating_add(POLICY.absolute));
    assert_eq!(signed_in.header.authenticated_at, Some(now));
    assert_eq!(signed_in.header.created_at, START);
}

#[test]
fn a_remembered_session_has_limits_of_its_own() {
    let month = 30 * 24 * 60 * MINUTE;
    let remembered = revised(&session(), &remembering(month), 2, later(SECOND), &POLICY);
    let end = later(SECOND + month);
    assert_eq!((remembered.expires_at, remembered.ends_at(&POLICY)), (end, end));
    // A sign-in goes on remembering.
    let signed_in = revised(&remembered, &signing_in("ann"), 2, later(MINUTE), &POLICY);
    assert_eq!(signed_in.ends_at(&POLICY), later(MINUTE + month));
    let brief = revised(&session(), &remembering(SECOND), 2, START, &POLICY);
    assert_eq!((brief.expires_at, brief.ends_at(&POLICY)), (later(SECOND), later(SECOND)));
}

#[test]
fn a_new_session_is_remembered_from_its_beginning() {
    let changes = Changes { remember: Some(2 * POLICY.absolute), ..inserting("a") };
    let session = began(&changes, &POLICY);
    assert_eq!(session.expires_at, later(2 * POLICY.absolute));
    assert_eq!(session.ends_at(&POLICY), later(2 * POLICY.absolute));
}

#[test]
fn a_shortened_absolute_time_ends_sessions_that_began_under_the_longer_one() {
    let shorter = Policy { absolute: 5 * MINUTE, ..POLICY };
    let busy = Snapshot { expires_at: Timestamp::MAX, ..session() };
    let end = later(5 * MINUTE);
    assert_eq!(busy.ends_at(&shorter), end);
    let judged = |now| judge(&busy, &verifier(1), HERE, now, &shorter);
    assert_eq!((judged(end.saturating_sub(MILLI)), judged(end)), (Standing::Live, Standing::Expired));
    assert_eq!(touch(&session(), later(MINUTE), &shorter), None);
    assert_eq!(revised(&session(), &inserting("b"), 2, START, &shorter).header.ends_at, end);
}

#[test]
fn a_shortened_absolute_time_counts_from_the_last_sign_in() {
    let now = later(20 * MINUTE);
    let signed_in = revised(&session(), &signing_in("ann"), 2, now, &POLICY);
    let shorter = Policy { absolute: 5 * MINUTE, ..POLICY };
    assert_eq!(signed_in.ends_at(&shorter), now.saturating_add(5 * MINUTE));
}

#[test]
fn a_lengthened_absolute_time_and_a_remembered_session_leave_the_limit_as_it_was_written() {
    let longer = Policy { absolute: 2 * POLICY.absolute, ..POLICY };
    assert_eq!(session().ends_at(&longer), later(POLICY.absolute));
    let remembered = revised(&session(), &remembering(60 * MINUTE), 2, START, &POLICY);
    assert_eq!(remembered.ends_at(&Policy { absolute: MINUTE, ..POLICY }), later(60 * MINUTE));
}

#[test]
fn a_shortened_idle_time_counts_from_the_next_write() {
    let shorter = Policy { idle: MINUTE, ..POLICY };
    assert_eq!(touch(&session(), START, &shorter), None);
    assert_eq!(revised(&session(), &inserting("b"), 2, START, &shorter).expires_at, later(MINUTE));
}

#[test]
fn a_bound_session_is_moved_for_every_address_but_its_own() {
    let bound = Policy { bind_address: true, ..POLICY };
    let session = began(&inserting("a"), &bound);
    let judged = |address| judge(&session, &verifier(1), address, START, &bound);
    assert_eq!(
        (judged(HERE), judged(THERE), judged(None)),
        (Standing::Live, Standing::Moved, Standing::Moved)
    );
    // Whoever has no valid secret learns nothing of the address, and whose time is over is expired.
    let stranger = judge(&session, &verifier(9), THERE, START, &bound);
    assert!(matches!(stranger, Standing::Superseded { .. }), "{stranger:?}");
    assert_eq!(judge(&session, &verifier(1), THERE, later(POLICY.idle), &bound), Standing::Expired);
}

#[test]
fn a_session_keeps_its_address_only_while_sessions_are_bound() {
    let bound = Policy { bind_address: true, ..POLICY };
    assert_eq!(began(&inserting("a"), &bound).header.address, HERE);
    assert_eq!(session().header.address, None);
    // From before the setting, and after it.
    assert_eq!(judge(&session(), &verifier(1), THERE, START, &bound), Standing::Live);
    assert_eq!(judge(&began(&inserting("a"), &bound), &verifier(1), THERE, START, &POLICY), Standing::Live);
}

#[test]
fn a_session_that_would_hold_nothing_never_begins() {
    for nothing in [Changes::default(), rotating(), remembering(MINUTE)] {
        assert!(begin(&nothing, verifier(1), HERE, START, &POLICY).unwrap().is_none(), "{nothing:?}");
    }
    let user = began(&signing_in("ann"), &POLICY);
    assert_eq!((user.entries.size().count, user.header.authenticated_at), (0, Some(START)));
}

#[test]
fn a_session_emptied_of_values_ends_unless_it_has_a_user() {
    let mut clear = Changes::default();
    clear.log.clear();
    assert!(matches!(revise(&session(), &clear, None, true, START, &POLICY), Ok(Revised::Emptied)));
    let user = revised(&session(), &signing_in("ann"), 2, START, &POLICY);
    assert_eq!(revised(&user, &clear, 3, START, &POLICY).entries.size().count, 0);
}

#[test]
fn what_changes_nothing_is_not_written() {
    let same = revise(&session(), &inserting("a"), None, true, later(SECOND), &POLICY);
    assert!(matches!(same, Ok(Revised::Unchanged)), "{same:?}");
}

#[test]
fn a_write_that_must_not_extend_leaves_the_idle_time_alone() {
    let write =
        |changes: &Changes, policy| match revise(&session(), changes, None, false, later(MINUTE), policy) {
            Ok(Revised::Write(draft)) => draft.expires_at,
            other => panic!("{other:?}"),
        };
    assert_eq!(write(&inserting("b"), &POLICY), session().expires_at);
    let shorter = Policy { absolute: 5 * MINUTE, ..POLICY };
    assert_eq!(write(&inserting("b"), &shorter), later(5 * MINUTE));
}

#[test]
fn a_sign_in_and_being_remembered_begin_the_idle_time_in_any_case() {
    let now = later(MINUTE);
    let month = 30 * 24 * 60 * MINUTE;
    for (changes, idle) in [(signing_in("ann"), POLICY.idle), (remembering(month), month)] {
        let secret = changes.sign_in.is_some().then(|| verifier(2));
        match revise(&session(), &changes, secret, false, now, &POLICY) {
            Ok(Revised::Write(draft)) => {
                assert_eq!(draft.expires_at, now.saturating_add(idle), "{changes:?}")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn activity_is_noted_once_in_a_twentieth_of_the_idle_time_and_at_least_once_a_minute() {
    for (idle, step) in
        [(600 * SECOND, 30 * SECOND), (3600 * SECOND, MINUTE), (SECOND, 50 * MILLI), (MILLI, MILLI)]
    {
        let policy = Policy { idle, absolute: 100 * 60 * MINUTE, ..POLICY };
        let session = began(&inserting("a"), &policy);
        assert_eq!(touch(&session, later(step - MILLI), &policy), None, "{idle:?}");
        assert_eq!(touch(&session, later(step), &policy), Some(later(step + idle)), "{idle:?}");
    }
}

#[test]
fn a_remembered_session_is_touched_by_its_own_idle_time() {
    let snapshot = Snapshot {
        expires_at: later(MINUTE),
        ..revised(&session(), &remembering(60 * MINUTE), 2, START, &POLICY)
    };
    assert_eq!(touch(&snapshot, later(SECOND), &POLICY), Some(later(60 * MINUTE)));
}

#[test]
fn changes_are_empty_until_anything_is_asked_for() {
    assert!(Changes::default().is_empty());
    let mut cleared = Changes::default();
    cleared.log.clear();
    for changes in [inserting("a"), rotating(), signing_in("ann"), remembering(SECOND), cleared] {
        assert!(!changes.is_empty(), "{changes:?}");
    }
}

#[test]
fn what_is_recorded_after_a_sign_in_may_follow_it_elsewhere_and_what_was_before_may_not() {
    let mut changes = inserting("before");
    changes.sign_in = signing_in("ann").sign_in;
    changes.record("after", Some([2].into()));
    let after = changes.sign_in.unwrap().after;
    assert_eq!((after.writes("before"), after.writes("after")), (false, true));
    assert_eq!((changes.log.writes("before"), changes.log.writes("after")), (true, true));
}

#[test]
fn a_clock_set_back_ends_nobodys_session_and_lengthens_none() {
    let rotated = revised(&session(), &rotating(), 2, later(MINUTE), &POLICY);
    assert_eq!(standing(&rotated, 2, START), Standing::Live);
    assert_eq!(touch(&rotated, START, &POLICY), None);
    let written = revised(&rotated, &inserting("b"), 3, START, &POLICY);
    assert_eq!(written.expires_at, later(POLICY.idle));
    assert_eq!(written.header.ends_at, later(POLICY.absolute));
}
