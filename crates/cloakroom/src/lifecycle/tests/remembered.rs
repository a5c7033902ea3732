//! Sessions that are remembered, and those that are forgotten again; anonymous ones before their cookie has come back.

use super::*;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// Signed in and remembered at [`START`], with the secret 2.
fn remembered() -> Snapshot {
    let changes = Changes { remember: Some(Remember::For(MONTH)), ..signing_in("ann") };
    revised(&session(), &changes, 2, START, &POLICY)
}

#[test]
fn a_remembered_session_has_limits_of_its_own() {
    assert_eq!((remembered().expires_at, remembered().ends_at(&POLICY)), (later(MONTH), later(MONTH)));
    let brief = Changes { remember: Some(Remember::For(SECOND)), ..signing_in("ann") };
    let brief = revised(&session(), &brief, 2, START, &POLICY);
    assert_eq!((brief.expires_at, brief.ends_at(&POLICY)), (later(SECOND), later(SECOND)));
    let new = Changes { remember: Some(Remember::For(MONTH)), ..signing_in("ann") };
    let new = began(&new, &POLICY);
    assert_eq!((new.expires_at, new.ends_at(&POLICY)), (later(MONTH), later(MONTH)));
}

#[test]
fn a_session_may_be_remembered_after_the_sign_in_and_its_end_counts_from_then() {
    let user = began(&signing_in("ann"), &POLICY);
    let now = later(MINUTE);
    let remembered = revised(&user, &remembering(MONTH), 9, now, &POLICY);
    assert_eq!(remembered.ends_at(&POLICY), now.saturating_add(MONTH));
    assert_eq!(remembered.header.verifier, user.header.verifier, "under the same secret");
}

#[test]
fn the_same_users_re_authentication_keeps_it_and_its_end_and_another_users_sign_in_ends_it() {
    let now = later(60 * MINUTE);
    let again = revised_by(2, &remembered(), &signing_in("ann"), 3, now);
    assert_eq!((again.header.remembered, again.ends_at(&POLICY)), (Some(MONTH), later(MONTH)));
    assert_eq!(again.header.authenticated_at, Some(now));
    let other = revised_by(2, &remembered(), &signing_in("bob"), 3, now);
    assert_eq!(
        (other.header.remembered, other.ends_at(&POLICY)),
        (None, now.saturating_add(POLICY.absolute))
    );
}

#[test]
fn a_forgotten_session_ends_an_absolute_time_later_and_never_later_than_it_would_have() {
    let now = later(60 * MINUTE);
    let forgotten = revised_by(2, &remembered(), &forgetting(), 9, now);
    assert_eq!(forgotten.header.remembered, None);
    assert_eq!(forgotten.ends_at(&POLICY), now.saturating_add(POLICY.absolute));
    assert_eq!(forgotten.expires_at, now.saturating_add(POLICY.idle));
    assert_eq!(forgotten.header.verifier, verifier(2));
    // What is written later leaves that end.
    let written = revised_by(2, &forgotten, &inserting("b"), 9, now.saturating_add(SECOND));
    assert_eq!(written.ends_at(&POLICY), forgotten.ends_at(&POLICY));
    let rotated = revised_by(2, &forgotten, &rotating(), 3, now.saturating_add(SECOND));
    assert_eq!(rotated.ends_at(&POLICY), forgotten.ends_at(&POLICY));

    let last = later(MONTH - SECOND);
    let late = revised_by(2, &remembered(), &forgetting(), 9, last);
    assert_eq!(late.ends_at(&POLICY), later(MONTH));
}

#[test]
fn an_absolute_time_that_is_shortened_counts_from_when_the_session_was_forgotten() {
    let now = later(60 * MINUTE);
    let forgotten = revised_by(2, &remembered(), &forgetting(), 9, now);
    let shorter = Policy { absolute: 20 * MINUTE, ..POLICY };
    assert_eq!(forgotten.ends_at(&shorter), now.saturating_add(20 * MINUTE));
    let again = revised_by(2, &forgotten, &signing_in("ann"), 3, now.saturating_add(SECOND));
    assert_eq!(
        again.ends_at(&POLICY),
        now.saturating_add(SECOND + POLICY.absolute),
        "a sign-in begins it anew"
    );
    assert_eq!(Tags::of(&again.extensions), Tags::default());
}

#[test]
fn to_forget_what_is_not_remembered_changes_nothing() {
    let user = began(&signing_in("ann"), &POLICY);
    let same = revise(&user, &forgetting(), None, &visit(1, START), true, later(MINUTE), &POLICY);
    assert!(matches!(same, Ok(Revised::Unchanged)), "{same:?}");
}

#[test]
fn an_anonymous_session_has_a_shorter_idle_time_until_its_cookie_has_come_back() {
    let policy = Policy { anonymous_idle: 5 * MINUTE, ..POLICY };
    let session = began(&inserting("a"), &policy);
    assert_eq!(session.expires_at, later(5 * MINUTE));
    let own = Visit { presented: None, ..visit(1, START) };
    let written = stored(write(&session, &own, &inserting("b"), 9, later(SECOND), &policy));
    assert_eq!(written.expires_at, later(SECOND + 5 * MINUTE), "a second save of the same request");
    assert_eq!(touched(&session, later(SECOND), &policy), Some(later(SECOND + POLICY.idle)), "it came back");
    let back = revised(&session, &inserting("b"), 9, later(SECOND), &policy);
    assert_eq!(back.expires_at, later(SECOND + POLICY.idle));

    assert_eq!(
        began(&signing_in("ann"), &policy).expires_at,
        later(POLICY.idle),
        "a user's has the usual one"
    );
    let shorter = Policy { idle: MINUTE, ..policy };
    let session = began(&inserting("a"), &shorter);
    assert_eq!(session.expires_at, later(MINUTE));
    // So that a store that is full knows.
    assert_eq!(touched(&session, later(MILLI), &shorter), Some(later(MINUTE + MILLI)), "it came back");
}
