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

/// So no count takes it for a session, no touch moves its expiry, and stores keep it as long as it is needed: ten minutes.
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
fn a_shortened_absolute_time_ends_sessions_that_began_under_the_longer_one() {
    let shorter = Policy { absolute: 5 * MINUTE, ..POLICY };
    let busy = Snapshot { expires_at: Timestamp::MAX, ..session() };
    let end = later(5 * MINUTE);
    assert_eq!(busy.ends_at(&shorter), end);
    let judged =
        |now| judge(&busy, &verifier(1), &Visit { client: from(HERE), ..visit(1, now) }, now, &shorter);
    assert_eq!((judged(end.saturating_sub(MILLI)), judged(end)), (Standing::Live, Standing::Expired));
    assert_eq!(touched(&session(), later(MINUTE), &shorter), None);
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
fn a_shortened_idle_time_counts_from_the_next_request() {
    let shorter = Policy { idle: MINUTE, ..POLICY };
    let Upkeep::Correct(draft) = upkeep(&session(), &visit(1, START), true, START, &shorter) else {
        panic!("it is longer than it can be")
    };
    assert_eq!(draft.expires_at, later(MINUTE));
    assert_eq!(revised(&session(), &inserting("b"), 2, START, &shorter).expires_at, later(MINUTE));
}

#[test]
fn a_bound_session_is_moved_for_every_address_but_its_own() {
    let bound = Policy { bind_address: true, ..POLICY };
    let session = began(&inserting("a"), &bound);
    let judged = |address| {
        judge(&session, &verifier(1), &Visit { client: from(address), ..visit(1, START) }, START, &bound)
    };
    assert_eq!(
        (judged(HERE), judged(THERE), judged(None)),
        (Standing::Live, Standing::Moved, Standing::Moved)
    );
    // Whoever has no valid secret learns nothing of the address, and whose time is over is expired.
    let stranger =
        judge(&session, &verifier(9), &Visit { client: from(THERE), ..visit(9, START) }, START, &bound);
    assert!(matches!(stranger, Standing::Superseded { .. }), "{stranger:?}");
    assert_eq!(
        judge(
            &session,
            &verifier(1),
            &Visit { client: from(THERE), ..visit(1, later(POLICY.idle)) },
            later(POLICY.idle),
            &bound
        ),
        Standing::Expired
    );
}

#[test]
fn a_session_keeps_its_address_only_while_sessions_are_bound() {
    let bound = Policy { bind_address: true, ..POLICY };
    assert_eq!(began(&inserting("a"), &bound).header.address, HERE);
    assert_eq!(session().header.address, None);
    // From before the setting, and after it.
    assert_eq!(
        judge(&session(), &verifier(1), &Visit { client: from(THERE), ..visit(1, START) }, START, &bound),
        Standing::Live
    );
    assert_eq!(
        judge(
            &began(&inserting("a"), &bound),
            &verifier(1),
            &Visit { client: from(THERE), ..visit(1, START) },
            START,
            &POLICY
        ),
        Standing::Live
    );
}

#[test]
fn a_session_that_would_hold_nothing_never_begins() {
    for nothing in [Changes::default(), rotating(), remembering(MINUTE)] {
        assert!(begin(&nothing, verifier(1), &from(HERE), START, &POLICY).unwrap().is_none(), "{nothing:?}");
    }
    let user = began(&signing_in("ann"), &POLICY);
    assert_eq!((user.entries.size().count, user.header.authenticated_at), (0, Some(START)));
}

#[test]
fn a_session_emptied_of_values_ends_unless_it_has_a_user() {
    let mut clear = Changes::default();
    clear.log.clear();
    assert!(matches!(
        revise(&session(), &clear, None, &visit(1, START), true, START, &POLICY),
        Ok(Revised::Emptied)
    ));
    let user = revised(&session(), &signing_in("ann"), 2, START, &POLICY);
    assert_eq!(revised(&user, &clear, 3, START, &POLICY).entries.size().count, 0);
}

#[test]
fn what_changes_nothing_is_not_written() {
    let same = revise(&session(), &inserting("a"), None, &visit(1, START), true, later(SECOND), &POLICY);
    assert!(matches!(same, Ok(Revised::Unchanged)), "{same:?}");
}

#[test]
fn a_write_that_must_not_extend_leaves_the_idle_time_alone() {
    let write = |changes: &Changes, policy| match revise(
        &session(),
        changes,
        None,
        &visit(1, START),
        false,
        later(MINUTE),
        policy,
    ) {
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
        match revise(&session(), &changes, secret, &visit(1, START), false, now, &POLICY) {
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
        let policy = Policy { idle, anonymous_idle: idle, absolute: 100 * 60 * MINUTE, ..POLICY };
        let session = began(&signing_in("ann"), &policy);
        assert_eq!(touched(&session, later(step - MILLI), &policy), None, "{idle:?}");
        assert_eq!(touched(&session, later(step), &policy), Some(later(step + idle)), "{idle:?}");
    }
}

#[test]
fn a_remembered_session_is_touched_by_its_own_idle_time() {
    let snapshot = Snapshot {
        expires_at: later(MINUTE),
        ..revised(&session(), &remembering(60 * MINUTE), 2, START, &POLICY)
    };
    assert_eq!(touched(&snapshot, later(SECOND), &POLICY), Some(later(60 * MINUTE)));
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
