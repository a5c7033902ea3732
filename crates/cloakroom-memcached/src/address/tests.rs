use super::*;

fn names(url: &str) -> Vec<String> {
    read_url(url).unwrap().iter().map(Address::to_string).collect()
}

fn key(n: u64) -> Key {
    let mut bytes = [0; Key::LEN];
    bytes[..8].copy_from_slice(&scramble(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_be_bytes());
    Key::new(bytes)
}

fn server(key: &Key, servers: &[&str]) -> String {
    let addresses: Vec<_> = servers.iter().map(|name| Address::Tcp((*name).to_owned())).collect();
    server_of(&addresses, seed, key).to_string()
}

#[test]
fn one_server_has_one_name() {
    assert_eq!(names("memcached://cache"), ["cache:11211"]);
    assert_eq!(names("memcached://Cache:11211/"), ["cache:11211"]);
    assert_eq!(names("memcached://10.0.0.1:1,10.0.0.1:2"), ["10.0.0.1:1", "10.0.0.1:2"]);
    assert_eq!(names("memcached://[::1],[FE80::2]:12"), ["[::1]:11211", "[fe80::2]:12"]);
    assert_eq!(names("memcached+unix:///run/memcached/m.sock"), ["/run/memcached/m.sock"]);
}

#[test]
fn what_is_no_list_of_servers_is_refused() {
    let bad = [
        "",
        "memcached://",
        "memcached:///",
        "redis://cache",
        "cache:11211",
        "memcached://a,,b",
        "memcached://a,",
        "memcached://a:",
        "memcached://a:0",
        "memcached://a:+1",
        "memcached://a:65536",
        "memcached://a:b",
        "memcached://:1",
        "memcached://::1",
        "memcached://[::1]x",
        "memcached://[::g]",
        "memcached://[::1",
        "memcached://a b",
        "memcached://a,A:11211",
        "memcached://a/path",
        "memcached://a?x=y",
        "memcached+unix://relative",
        "memcached+unix:///a?b",
        "memcached+unix://",
    ];
    for url in bad {
        assert!(read_url(url).is_err(), "{url:?}");
    }
}

#[test]
fn a_url_with_a_password_is_refused_and_not_shown() {
    let reason = read_url("memcached://user:hunter2@cache").unwrap_err().to_string();
    assert!(reason.contains("without user and password") && !reason.contains("hunter2"));
}

#[test]
fn the_order_of_the_servers_does_not_matter() {
    for key in (0..100).map(key) {
        let found = server(&key, &["a:1", "b:1", "c:1"]);
        for order in [["a:1", "c:1", "b:1"], ["b:1", "a:1", "c:1"], ["c:1", "b:1", "a:1"]] {
            assert_eq!(server(&key, &order), found);
        }
    }
}

#[test]
fn keys_are_spread_evenly() {
    // As names are in practice: alike but for one digit.
    let servers = ["10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211"];
    let mut counts = [0; 3];
    for key in (0..30_000).map(key) {
        let found = server(&key, &servers);
        counts[servers.iter().position(|name| *name == found).unwrap()] += 1;
    }
    // 82 is one standard deviation.
    assert!(counts.iter().all(|count: &i32| (count - 10_000).abs() < 500), "{counts:?}");
}

#[test]
fn a_server_that_goes_moves_no_keys_but_its_own() {
    for key in (0..1_000).map(key) {
        let before = server(&key, &["a:1", "b:1", "c:1"]);
        let after = server(&key, &["a:1", "c:1"]);
        assert!(before == after || before == "b:1", "{before} to {after}");
    }
}

/// Written out, so that whoever changes where sessions are notices: every process of a site must agree, through an upgrade too.
#[test]
fn a_key_is_on_this_server() {
    let servers = ["a:11211", "b:11211", "c:11211"];
    let found: String = (0..16).map(|n| server(&Key::new([n; 32]), &servers).remove(0)).collect();
    assert_eq!(found, "bccaccacaacbbaab");
}
