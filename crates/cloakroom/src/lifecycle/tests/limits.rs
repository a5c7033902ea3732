//! Limits of size and number, which bind what grows.

use super::*;

/// Room for two values of one byte under keys of one.
const TIGHT: Policy = Policy { limits: Limits { keys: 2, bytes: 14, anonymous_bytes: 14 }, ..POLICY };

fn writing(values: &[(&str, usize)]) -> Changes {
    let mut changes = Changes::default();
    values.iter().for_each(|(key, len)| changes.record(key, Some(vec![b'1'; *len].into())));
    changes
}

fn outcome(snapshot: &Snapshot, changes: &Changes) -> Result<Revised, TooLarge> {
    let visit = visit(1, START);
    let secret = changes.takes_secret(snapshot, visit.presented, START, &TIGHT).then(|| verifier(2));
    revise(snapshot, changes, secret, &visit, true, START, &TIGHT)
}

#[test]
fn a_new_session_is_bound_by_the_limits() {
    let begins = |values: &[(&str, usize)]| {
        begin(&writing(values), verifier(1), &from(HERE), START, &TIGHT).map(|draft| draft.is_some())
    };
    assert_eq!(begins(&[("a", 1), ("b", 1)]), Ok(true));
    assert_eq!(begins(&[("a", 8)]), Ok(true));
    assert_eq!(begins(&[("a", 9)]), Err(TooLarge::Bytes { count: 15, limit: 14 }));
    assert_eq!(begins(&[("a", 1), ("b", 2)]), Err(TooLarge::Bytes { count: 15, limit: 14 }));
    assert_eq!(begins(&[("a", 0), ("b", 0), ("c", 0)]), Err(TooLarge::Keys { count: 3, limit: 2 }));
    assert_eq!(TooLarge::Keys { count: 3, limit: 2 }.to_string(), "3 keys; max_keys = 2");
    assert_eq!(TooLarge::Bytes { count: 15, limit: 14 }.to_string(), "15 bytes; max_record_bytes = 14");
}

/// A session from before the limits were tightened: its user can use it, sign in and out, and may make it smaller.
#[test]
fn a_session_beyond_the_limits_can_be_written_unless_it_grows() {
    let large = began(&writing(&[("a", 8), ("b", 8), ("c", 8)]), &POLICY);
    for changes in [
        rotating(),
        signing_in("ann"),
        remembering(MINUTE),
        writing(&[("a", 7)]),
        writing(&[("a", 9), ("b", 7)]),
        Changes { rotate: true, ..writing(&[("c", 0)]) },
    ] {
        assert!(matches!(outcome(&large, &changes), Ok(Revised::Write(_))), "{changes:?}");
    }
    let mut fewer = writing(&[("d", 16)]);
    ["a", "b"].into_iter().for_each(|key| fewer.record(key, None));
    assert!(outcome(&large, &fewer).is_ok(), "two keys, as many bytes as are allowed beyond the limit");
    let more = outcome(&large, &writing(&[("d", 0)])).unwrap_err();
    assert_eq!(more, TooLarge::Keys { count: 4, limit: 2 });
    let longer = outcome(&large, &writing(&[("a", 9)])).unwrap_err();
    assert_eq!(longer, TooLarge::Bytes { count: 43, limit: 14 });
}

#[test]
fn the_tags_of_later_versions_do_not_count_against_the_limits() {
    let tagged = envelope::read(&golden("tags-signed-in")).unwrap();
    let exact = Limits { keys: 2, bytes: tagged.entries.size().bytes, anonymous_bytes: 0 };
    let subject = Some(Subject::new("ann").unwrap());
    let tagged = stored(Draft { expires_at: later(POLICY.idle), subject, envelope: tagged });
    let changes = writing(&[("count", 1), ("cart", 8)]);
    let written =
        revise(&tagged, &changes, None, &visit(1, START), true, START, &Policy { limits: exact, ..POLICY });
    assert!(matches!(written, Ok(Revised::Write(_))), "{written:?}");
}

/// A user's session may hold more than an anonymous one.
#[test]
fn a_session_without_a_user_has_a_limit_of_its_own() {
    let policy = Policy { limits: Limits { anonymous_bytes: 10, ..POLICY.limits }, ..POLICY };
    let (small, large) = (writing(&[("a", 4)]), writing(&[("a", 5)]));
    let begun = |changes: &Changes| {
        begin(changes, verifier(1), &from(HERE), START, &policy).map(|draft| draft.is_some())
    };
    let too_large = TooLarge::AnonymousBytes { count: 11, limit: 10 };
    assert_eq!((begun(&small), begun(&large)), (Ok(true), Err(too_large)));
    let detail = "11 bytes in a session without a user; anonymous_max_bytes = 10";
    assert_eq!(too_large.to_string(), detail);
    assert_eq!(begun(&Changes { log: large.log.clone(), ..signing_in("ann") }), Ok(true));

    let anonymous = began(&small, &policy);
    let revised = |changes: &Changes, secret| {
        revise(&anonymous, changes, secret, &visit(1, START), true, START, &policy).map(|_| ())
    };
    assert_eq!(revised(&large, None), Err(too_large));
    let signed_in = Changes { log: large.log.clone(), ..signing_in("ann") };
    assert_eq!(revised(&signed_in, Some(verifier(2))), Ok(()));
}
