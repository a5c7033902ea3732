use super::*;

fn answer(version: &str, settings: &[(&str, &str)]) -> String {
    let defaults =
        [("maxbytes", "67108864"), ("evictions", "on"), ("cas_enabled", "yes"), ("item_size_max", "1048576")];
    let mut text = format!("VERSION {version}\r\n");
    for (name, default) in defaults {
        let set = settings.iter().find(|(set, _)| *set == name);
        text += &format!("STAT {name} {}\r\n", set.map_or(default, |(_, value)| value));
    }
    text + "STAT inter \r\nEND\r\nSTAT pid 7\r\nSTAT time 1700000000\r\nEND\r\n"
}

fn refusal(text: &str) -> String {
    read(text.as_bytes()).unwrap_err().reason
}

#[test]
fn what_matters_is_found_among_the_settings() {
    let found = read(answer("1.6.18", &[]).as_bytes()).unwrap().unwrap();
    assert_eq!(found.settings, Settings { largest_item: 1 << 20, may_evict: true });
    assert_eq!(found.time, 1_700_000_000);
    let other = answer("1.6.18", &[("evictions", "off"), ("item_size_max", "2097152")]);
    let found = read(other.as_bytes()).unwrap().unwrap();
    assert_eq!(found.settings, Settings { largest_item: 2 << 20, may_evict: false });
}

#[test]
fn a_part_of_the_answer_is_waited_for() {
    let text = answer("1.6.18", &[]);
    for len in 0..text.len() {
        assert_eq!(read(&text.as_bytes()[..len]), Ok(None), "{len} of {} bytes", text.len());
    }
}

#[test]
fn a_setting_may_be_in_any_encoding() {
    let path =
        ["STAT domain_socket /srv/\u{e9}/m.sock\r\n".as_bytes(), b"STAT ssl_key /srv/\xe9\r\n"].concat();
    let whole = answer("1.6.18", &[]);
    let (head, tail) = whole.split_once("END").unwrap();
    let text = [head.as_bytes(), &path, b"END", tail.as_bytes()].concat();
    for len in 0..text.len() {
        assert_eq!(read(&text[..len]), Ok(None), "{len} of {} bytes", text.len());
    }
    assert!(read(&text).unwrap().is_some());
}

#[test]
fn a_server_without_cas_numbers_is_refused() {
    assert!(refusal(&answer("1.6.18", &[("cas_enabled", "no")])).contains("without -C"));
}

#[test]
fn a_server_of_small_items_is_refused() {
    assert!(refusal(&answer("1.6.18", &[("item_size_max", "131072")])).contains("-I 1m"));
}

#[test]
fn an_old_server_is_refused_and_a_newer_one_is_not() {
    for old in ["1.6.17", "1.5.22", "1.4.0", "0.9.99"] {
        let reason = refusal(&answer(old, &[]));
        assert_eq!(reason, format!("it is memcached {old}, but 1.6.18 or later is needed"));
    }
    for new in ["1.6.18", "1.6.40", "1.7.0", "2.0.0", "1.6.21-beta1", "1.6.22_5_gabc"] {
        assert!(read(answer(new, &[]).as_bytes()).is_ok_and(|settings| settings.is_some()), "{new}");
    }
}

#[test]
fn what_is_not_memcached_is_refused_without_waiting() {
    let others =
        ["HTTP/1.1 400 Bad Request\r\n", "-ERR unknown command 'version'\r\n", "VERSION ?\r\n", "ERROR\r\n"];
    for other in others {
        assert_eq!(refusal(other), not_memcached().reason, "{other:?}");
    }
    assert_eq!(refusal("VERSION 1.6.18\r\nERROR\r\n"), not_memcached().reason, "some proxy");
    assert_eq!(refusal("VERSION 1.6.18\r\nEND\r\n"), not_memcached().reason, "some proxy");
    for time in ["STAT pid 7", "STAT time x", "STAT time -1"] {
        let text = answer("1.6.18", &[]).replace("STAT time 1700000000", time);
        assert_eq!(refusal(&text), not_memcached().reason, "{time}");
    }
    assert_eq!(refusal(&"x".repeat(LONGEST_ANSWER + 1)), not_memcached().reason);
    assert!(read(b"\xff\xfe").is_err());
}

#[test]
fn a_server_that_wants_a_password_is_refused_with_that_reason() {
    assert!(refusal("CLIENT_ERROR unauthenticated\r\n").contains("password"));
}
