//! The golden sessions: what version 1 wrote is written again, and the tags of a later version live as their bits say.

use super::*;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// The session as it was stored, with its subject, which is a column of the record.
fn opened(name: &str, subject: Option<&str>) -> Snapshot {
    let envelope = envelope::read(&golden(name)).unwrap();
    let subject = subject.map(|subject| Subject::new(subject).unwrap());
    stored(Draft { expires_at: later(POLICY.idle), subject, envelope })
}

/// The numbers of its tags that this version does not know.
fn foreign(snapshot: &Snapshot) -> Vec<u16> {
    numbers(&snapshot.extensions).into_iter().filter(|number| *number > 3).collect()
}

fn with_values(values: &[(&str, &str)]) -> Changes {
    let mut changes = Changes::default();
    values.iter().for_each(|(key, value)| changes.record(key, Some(value.as_bytes().into())));
    changes
}

fn begun(changes: &Changes, address: Option<IpAddr>) -> Draft {
    let policy = Policy { bind_address: address.is_some(), ..POLICY };
    begin(changes, verifier(1), &from(address), START, &policy).unwrap().unwrap()
}

/// After a minute, under the secret 2.
fn minute_later(snapshot: &Snapshot, changes: &Changes) -> Draft {
    match revise(snapshot, changes, Some(verifier(2)), &visit(1, later(MINUTE)), true, later(MINUTE), &POLICY)
    {
        Ok(Revised::Write(draft)) => draft,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_version_1_wrote_is_written_again_byte_for_byte() {
    let basic = with_values(&[("cart", r#"["coat"]"#), ("count", "1")]);
    let many: Vec<_> = (0..256).map(|number| (format!("k{number:03}"), number.to_string())).collect();
    let many: Vec<_> = many.iter().map(|(key, value)| (&**key, &**value)).collect();
    let fresh = || begun(&basic, None);
    let rotated = || minute_later(&stored(fresh()), &rotating());
    let signed_in = || minute_later(&stored(fresh()), &signing_in("ann"));
    let remembered = Changes { remember: Some(Remember::For(MONTH)), ..signing_in("ann") };
    let remembered = || minute_later(&stored(fresh()), &remembered);
    let confirmed = || {
        write(&stored(rotated()), &visit(2, later(2 * MINUTE)), &rotating(), 9, later(2 * MINUTE), &POLICY)
    };
    let forgotten = || {
        write(
            &stored(remembered()),
            &visit(2, later(2 * MINUTE)),
            &forgetting(),
            9,
            later(2 * MINUTE),
            &POLICY,
        )
    };
    for (name, draft) in [
        ("fresh", fresh()),
        ("rotated-unconfirmed", rotated()),
        ("rotated-confirmed", confirmed()),
        ("forgotten", forgotten()),
        ("signed-in", signed_in()),
        ("remembered", remembered()),
        ("address-v4", begun(&basic, HERE)),
        ("address-v6", begun(&basic, Some("2001:db8::1".parse().unwrap()))),
        ("tombstone-dated", end(&stored(signed_in()), later(2 * MINUTE))),
        ("empty", begun(&signing_in("ann"), None)),
        ("many-entries", begun(&with_values(&many), None)),
    ] {
        assert_eq!(draft.envelope.data, golden(name), "{name}");
    }
}

/// Written before rotations were confirmed and tombstones dated.
#[test]
fn the_first_rotations_and_tombstones_are_still_understood() {
    let rotated = opened("rotated", None);
    assert_eq!(standing(&rotated, 1, later(MINUTE)), Standing::Live);
    assert_eq!(standing(&rotated, 2, later(MINUTE + POLICY.grace)), Standing::Live);
    assert!(matches!(standing(&rotated, 1, later(MINUTE + POLICY.grace)), Standing::Superseded { .. }));
    assert_eq!(standing(&opened("tombstone", None), 2, later(2 * MINUTE)), Standing::Gone);
}

/// What a request does to a session.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Insert,
    Remember,
    Rotate,
    RotateAndInsert,
    SignIn,
    Clear,
    ClearAndInsert,
    End,
}

fn done(deed: Deed, snapshot: &Snapshot) -> Snapshot {
    let mut changes = match deed {
        Deed::Insert => inserting("b"),
        Deed::Remember => remembering(MONTH),
        Deed::Rotate => rotating(),
        Deed::RotateAndInsert => Changes { rotate: true, ..inserting("b") },
        Deed::SignIn => signing_in("ann"),
        Deed::Clear | Deed::ClearAndInsert => Changes::default(),
        Deed::End => return stored(end(snapshot, later(2 * MINUTE))),
    };
    if matches!(deed, Deed::Clear | Deed::ClearAndInsert) {
        changes.log.clear();
    }
    if deed == Deed::ClearAndInsert {
        changes.record("b", Some([1].into()));
    }
    let now = later(2 * MINUTE);
    let by_current = Visit { presented: Some(snapshot.header.verifier), ..visit(1, now) };
    stored(write(snapshot, &by_current, &changes, 3, now, &POLICY))
}

/// The tag n has the bits n - 1: 4 survives a data write, 2 a new secret, 1 a re-authentication.
#[test]
fn each_unknown_tag_is_kept_or_dropped_as_its_bits_say() {
    let anonymous = opened("tags-anonymous", None);
    let user = |name| opened("tags-signed-in", Some(name));
    assert_eq!(numbers(&anonymous.extensions), [1, 2, 3, 4, 5, 6, 7, 8]);
    let written = vec![5, 6, 7, 8];
    for (session, deed, kept) in [
        (&anonymous, Deed::Insert, &written),
        (&anonymous, Deed::Remember, &written),
        (&anonymous, Deed::Rotate, &vec![7, 8]),
        (&anonymous, Deed::RotateAndInsert, &vec![7, 8]),
        (&anonymous, Deed::SignIn, &vec![8]),
        (&anonymous, Deed::ClearAndInsert, &vec![]),
        (&anonymous, Deed::End, &vec![]),
        (&user("ann"), Deed::Insert, &written),
        (&user("ann"), Deed::Remember, &written),
        (&user("ann"), Deed::Rotate, &vec![7, 8]),
        (&user("ann"), Deed::SignIn, &vec![8]),
        (&user("ann"), Deed::Clear, &vec![]),
        (&user("ann"), Deed::ClearAndInsert, &vec![]),
        (&user("ann"), Deed::End, &vec![]),
        (&user("bob"), Deed::SignIn, &vec![]),
        (&user("bob"), Deed::Insert, &written),
    ] {
        let outcome = done(deed, session);
        let about = format!("{deed:?} by {:?}", session.subject);
        assert_eq!(foreign(&outcome), *kept, "{about}");
        let all: Vec<_> = session.extensions.with(Bits::default()).collect();
        let mut left = outcome.extensions.foreign_with(Bits::default());
        assert!(left.all(|tag| all.contains(&tag)), "{about}: as it was");
    }
}

#[test]
fn one_tag_of_each_kind_lives_as_its_bits_say() {
    for bits in 0..8 {
        let tagged = opened(&format!("tag-{bits:04b}"), None);
        let kept = |deed| !foreign(&done(deed, &tagged)).is_empty();
        let (write, secret, sign_in) = (bits & 4 != 0, bits & 2 != 0, bits & 1 != 0);
        assert_eq!(kept(Deed::Insert), write, "{bits:04b}");
        assert_eq!(kept(Deed::Rotate), write && secret, "{bits:04b}");
        assert_eq!(kept(Deed::SignIn), write && secret && sign_in, "{bits:04b}");
        assert!(!kept(Deed::End), "{bits:04b}");
    }
}

#[test]
fn a_rotation_that_takes_no_new_secret_costs_no_tag_more_than_a_write() {
    let rotated = opened("tags-signed-in", Some("ann"));
    let header =
        Header { previous: Some((verifier(1), later(2 * MINUTE + MILLI))), ..rotated.header.clone() };
    let rotated = Snapshot { header, ..rotated };
    assert_eq!(foreign(&done(Deed::RotateAndInsert, &rotated)), [5, 6, 7, 8]);
}

/// A touch writes no data.
#[test]
fn what_changes_nothing_and_what_only_touches_leaves_every_tag() {
    let tagged = opened("tags-signed-in", Some("ann"));
    assert!(touched(&tagged, later(MINUTE), &POLICY).is_some());
    let same = revise(
        &tagged,
        &with_values(&[("count", "1")]),
        None,
        &visit(1, later(MINUTE)),
        true,
        later(MINUTE),
        &POLICY,
    );
    assert!(matches!(same, Ok(Revised::Unchanged)), "{same:?}");
}

#[test]
fn a_clear_drops_the_tags_of_a_session_without_values_too() {
    let user = opened("tags-signed-in", Some("ann"));
    let mut clear = Changes::default();
    clear.log.clear();
    let empty = Snapshot { entries: Entries::default(), ..user };
    let cleared = revised(&empty, &clear, 3, START, &POLICY);
    assert!(cleared.extensions.is_empty());
    let again = revise(&cleared, &clear, None, &visit(1, START), true, START, &POLICY);
    assert!(matches!(again, Ok(Revised::Unchanged)), "{again:?}");
}

#[test]
fn tags_alone_keep_no_session() {
    let mut removed = Changes::default();
    ["cart", "count"].into_iter().for_each(|key| removed.record(key, None));
    let emptied =
        revise(&opened("tags-anonymous", None), &removed, None, &visit(1, START), true, START, &POLICY);
    assert!(matches!(emptied, Ok(Revised::Emptied)), "{emptied:?}");
}
