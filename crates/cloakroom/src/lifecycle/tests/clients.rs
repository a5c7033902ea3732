//! What a session keeps of the client that wrote it last.

use super::*;

const RECORDING: Policy = Policy { record_client: true, ..POLICY };
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn client(address: Option<IpAddr>, user_agent: &str) -> Client {
    Client { address, user_agent: (!user_agent.is_empty()).then(|| user_agent.into()) }
}

/// Ann's session, begun by this client.
fn signed_in(by: &Client) -> Snapshot {
    stored(begin(&signing_in("ann"), verifier(1), by, START, &RECORDING).unwrap().unwrap())
}

fn last_write(snapshot: &Snapshot) -> Option<LastWrite> {
    LastWrite::of(&snapshot.extensions)
}

/// A session with these tags.
fn with_tags(tags: &[Vec<u8>]) -> Snapshot {
    let header = header(1, START.as_millis(), later(POLICY.absolute).as_millis());
    let envelope = crate::envelope::samples::envelope(header, &[("a", &[1])], tags);
    stored(Draft { expires_at: later(POLICY.idle), subject: None, envelope })
}

#[test]
fn the_client_is_written_as_the_golden_sessions_show_and_read_again() {
    let v6 = "2001:db8::1".parse().unwrap();
    for (name, client) in [("client-v4", client(HERE, FIREFOX)), ("client-v6", client(Some(v6), ""))] {
        let snapshot = signed_in(&client);
        let draft = begin(&signing_in("ann"), verifier(1), &client, START, &RECORDING).unwrap().unwrap();
        assert_eq!(draft.envelope.data, golden(name), "{name}");
        assert_eq!(last_write(&snapshot), Some(LastWrite { client, at: START }), "{name}");
    }
    let nothing = signed_in(&Client::default());
    assert_eq!(last_write(&nothing), Some(LastWrite { client: Client::default(), at: START }));
}

#[test]
fn a_value_that_cannot_be_read_is_as_good_as_none() {
    let time = START.as_millis().to_le_bytes();
    let value = |rest: &[u8]| [&time[..], rest].concat();
    for bad in [
        vec![],
        time[..7].to_vec(),
        value(&[]),
        value(&[1]),
        value(&[4, 192, 0, 2]),
        value(&[6, 0x20, 0x01]),
        value(&[0, 0xff]),
    ] {
        let snapshot = with_tags(&[tag(3, 6, &bad)]);
        assert_eq!(last_write(&snapshot), None, "{bad:?}");
        assert_eq!(standing(&snapshot, 1, START), Standing::Live, "{bad:?}");
    }
    let long = with_tags(&[tag(3, 6, &value(&[&[0][..], &[b'x'; 5_000]].concat()))]);
    assert_eq!(last_write(&long).unwrap().client.user_agent.unwrap().len(), 5_000);
}

/// A rotation, a re-authentication, a confirmed rotation: whatever it is, it says who made it.
#[test]
fn every_write_names_its_own_client_and_nobodys_before() {
    let now = later(MINUTE);
    let before = signed_in(&client(HERE, "before/1"));
    for by in [client(THERE, "after/1"), client(None, "after/1"), client(THERE, ""), Client::default()] {
        let visit = Visit { client: by.clone(), ..visit(1, now) };
        let expected = Some(LastWrite { client: by, at: now });
        let mut clearing = inserting("b");
        clearing.log.clear();
        for changes in
            [inserting("b"), rotating(), signing_in("ann"), signing_in("bob"), remembering(MINUTE), clearing]
        {
            let after = stored(write(&before, &visit, &changes, 2, now, &RECORDING));
            assert_eq!(last_write(&after), expected, "{changes:?}");
        }
        let rotated = stored(write(&before, &visit, &rotating(), 2, START, &RECORDING));
        let visit = Visit { presented: Some(verifier(2)), ..visit };
        let Upkeep::Correct(draft) = upkeep(&rotated, &visit, true, now, &RECORDING) else {
            panic!("{rotated:?}")
        };
        assert_eq!(last_write(&stored(draft)), expected, "confirmed");
    }
}

/// U6.
#[test]
fn another_client_alone_is_no_reason_to_write() {
    let now = later(MINUTE);
    let before = signed_in(&client(HERE, "before/1"));
    let visit = Visit { client: client(THERE, "after/1"), ..visit(1, now) };
    let revised = revise(&before, &Changes::default(), None, &visit, true, now, &RECORDING);
    assert!(matches!(revised, Ok(Revised::Unchanged)), "{revised:?}");
    assert!(matches!(upkeep(&before, &visit, true, now, &RECORDING), Upkeep::Touch(_)));
    assert!(matches!(upkeep(&before, &visit, false, now, &RECORDING), Upkeep::Nothing));
}

#[test]
fn where_clients_are_not_recorded_the_next_write_drops_what_was_kept() {
    let recorded = signed_in(&client(HERE, FIREFOX));
    for changes in [inserting("b"), rotating(), signing_in("ann")] {
        let after = revised(&recorded, &changes, 2, later(MINUTE), &POLICY);
        assert!(!numbers(&after.extensions).contains(&3), "{changes:?}");
    }
}

#[test]
fn a_tombstone_keeps_nothing_of_the_client() {
    assert!(stored(end(&signed_in(&client(HERE, FIREFOX)), later(MINUTE))).extensions.is_empty());
}

/// What later versions keep goes before: 16 tags and 1 KiB are all that is written.
#[test]
fn the_client_is_left_out_where_other_tags_leave_no_room_for_it() {
    let visit = Visit { client: client(HERE, FIREFOX), ..visit(1, START) };
    let written = |tags: &[Vec<u8>]| {
        let after = stored(write(&with_tags(tags), &visit, &inserting("b"), 2, START, &RECORDING));
        let numbers = numbers(&after.extensions);
        (numbers.len() - usize::from(numbers.contains(&3)), last_write(&after).is_some())
    };
    let many = |count| (0..count).map(|number| tag(10 + number, 4, b"")).collect::<Vec<_>>();
    assert_eq!(written(&many(15)), (15, true));
    assert_eq!(written(&many(16)), (16, false));
    // Of 1,024 bytes, its own 4 + 8 + 1 + 4, the text, and the 4 of the other tag's head.
    let room = 1024 - 4 - 8 - 1 - 4 - FIREFOX.len() - 4;
    assert_eq!(written(&[tag(10, 4, &vec![0; room])]), (1, true));
    assert_eq!(written(&[tag(10, 4, &vec![0; room + 1])]), (1, false));
}
