use super::*;

const XFF: &str = "X-Forwarded-For";
const FORWARDED: &str = "forwarded";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn proxies() -> Vec<TrustedProxy> {
    ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"].map(|text| text.parse().unwrap()).to_vec()
}

fn client(peer: &str, header: &str, fields: &[&str]) -> Option<String> {
    let fields = fields.iter().map(|field| field.as_bytes());
    client_ip(ip(peer), header, fields, &proxies()).map(|address| address.to_string())
}

fn some(address: &str) -> Option<String> {
    Some(address.to_owned())
}

/// SECURITY 47.
#[test]
fn forwarding_headers_are_ignored_unless_the_peer_is_a_declared_proxy() {
    for (header, field) in [(XFF, "203.0.113.9"), (FORWARDED, "for=203.0.113.9")] {
        assert_eq!(client("198.51.100.1", header, &[field]), some("198.51.100.1"));
        assert_eq!(client("192.0.2.8", header, &[field]), some("192.0.2.8"));
        assert_eq!(client("10.1.2.3", header, &[field]), some("203.0.113.9"));
        assert_eq!(client("192.0.2.7", header, &[field]), some("203.0.113.9"));
        let fields = [field.as_bytes()];
        assert_eq!(client_ip(ip("10.1.2.3"), header, fields.into_iter(), &[]), Some(ip("10.1.2.3")));
    }
}

/// SECURITY 47.
#[test]
fn the_header_is_walked_from_the_right_to_the_first_stranger() {
    for (fields, expected) in [
        (&["203.0.113.9"][..], "203.0.113.9"),
        (&["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        (&["6.6.6.6, 203.0.113.9, 10.0.0.2, 2001:db8::5"], "203.0.113.9"),
        (&["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        (&["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        (&["rubbish, 203.0.113.9,\t10.0.0.2 "], "203.0.113.9"),
        (&["203.0.113.9,, ,", "", " "], "203.0.113.9"),
    ] {
        assert_eq!(client("10.0.0.1", XFF, fields), some(expected), "{fields:?}");
    }
}

#[test]
fn when_every_hop_is_trusted_the_first_is_the_client() {
    assert_eq!(client("10.0.0.1", XFF, &[]), some("10.0.0.1"));
    assert_eq!(client("10.0.0.1", XFF, &["", ","]), some("10.0.0.1"));
    assert_eq!(client("10.0.0.1", XFF, &["10.0.0.3, 10.0.0.2"]), some("10.0.0.3"));
    assert_eq!(client("10.0.0.1", FORWARDED, &["for=10.0.0.3", "for=10.0.0.2"]), some("10.0.0.3"));
}

#[test]
fn a_hop_that_a_proxy_does_not_name_by_address_leaves_the_client_unknown() {
    for field in [
        "unknown",
        "203.0.113.9, unknown",
        "203.0.113.9, 1.2.3",
        "203.0.113.9, 010.0.0.1",
        "203.0.113.9, \u{fc}, 10.0.0.2",
        "[203.0.113.9]",
        "\"203.0.113.9\"",
        "1.2.3.4:99999",
        "for=203.0.113.9",
    ] {
        assert_eq!(client("10.0.0.1", XFF, &[field]), None, "{field}");
    }
    for field in [
        "for=unknown",
        "for=_hidden",
        "for=203.0.113.9, proto=https",
        "for=203.0.113.9;for=6.6.6.6",
        "for=\"203.0.113.9",
        "for=",
        "203.0.113.9",
        "for=203.0.113.9, for=\"1.2.3.4\\\"\"",
    ] {
        assert_eq!(client("10.0.0.1", FORWARDED, &[field]), None, "{field}");
    }
    let bytes: [&[u8]; 1] = [b"\xff\xfe"];
    assert_eq!(client_ip(ip("10.0.0.1"), XFF, bytes.into_iter(), &proxies()), None);
}

#[test]
fn ports_and_brackets_are_taken_off_and_mapped_addresses_are_ipv4() {
    for (node, expected) in [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db9::9", "2001:db9::9"),
        ("[2001:db9::9]", "2001:db9::9"),
        ("[2001:db9::9]:4711", "2001:db9::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:4711", "203.0.113.9"),
    ] {
        assert_eq!(client("10.0.0.1", XFF, &[node]), some(expected), "{node}");
        assert_eq!(client("10.0.0.1", FORWARDED, &[&format!("for=\"{node}\"")]), some(expected), "{node}");
    }
    assert_eq!(client("::ffff:10.0.0.1", XFF, &["203.0.113.9"]), some("203.0.113.9"));
    assert_eq!(client("::ffff:198.51.100.1", XFF, &["203.0.113.9"]), some("198.51.100.1"));
    assert_eq!(client("10.0.0.1", XFF, &["203.0.113.9, ::ffff:10.0.0.2"]), some("203.0.113.9"));
}

/// The examples of RFC 7239 §4 and §7.
#[test]
fn the_forwarded_header_is_read_as_its_standard_says() {
    for (field, expected) in [
        ("for=203.0.113.9", "203.0.113.9"),
        ("For=\"[2001:db9:cafe::17]:4711\"", "2001:db9:cafe::17"),
        ("for=203.0.113.9;proto=http;by=203.0.113.43", "203.0.113.9"),
        ("by=\"10.0.0.9\" ; FOR = 203.0.113.9", "203.0.113.9"),
        ("for=6.6.6.6, for=203.0.113.9, for=10.0.0.2;host=\"a, for=6.6.6.6\"", "203.0.113.9"),
        ("for=203.0.113.9;host=\"a;for=6.6.6.6\\\", for=6.6.6.6\"", "203.0.113.9"),
        ("for=203.0.113.9;host=\"a\\\\\"", "203.0.113.9"),
    ] {
        assert_eq!(client("10.0.0.1", FORWARDED, &[field]), some(expected), "{field}");
    }
}

/// SECURITY 47. What the proxy appends stays whole whatever the client wrote before it.
#[test]
fn a_quote_that_the_client_opened_does_not_swallow_what_the_proxy_appended() {
    for client_part in ["for=\"", "for=1.2.3.4;x=\"", "\\", "\"\\\"", "for=1.2.3.4;x=\"\\"] {
        for proxy_part in ["for=203.0.113.9", "for=\"203.0.113.9:80\"", "for=203.0.113.9;host=\"a,b\""] {
            let field = format!("{client_part}, {proxy_part}");
            assert_eq!(client("10.0.0.1", FORWARDED, &[&field]), some("203.0.113.9"), "{field}");
        }
    }
}

#[test]
fn a_trusted_proxy_reads_from_addresses_and_networks_and_prints_them_back() {
    for (text, printed) in [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0.0.0.0/95", "::fffe:0:0/95"),
    ] {
        let proxy: TrustedProxy = text.parse().unwrap();
        assert_eq!(proxy.to_string(), printed);
        let json = serde_json::to_string(&proxy).unwrap();
        assert_eq!(json, format!("{printed:?}"));
        assert_eq!(serde_json::from_str::<TrustedProxy>(&json).unwrap(), proxy);
    }
    for text in
        ["", "localhost", "10.0.0.0/33", "10.0.0", "0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96", "10.0.0.1:80"]
    {
        let error = text.parse::<TrustedProxy>().unwrap_err();
        assert_eq!(error.setting(), "trusted_proxies");
        assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn the_walk_has_the_properties_that_are_fuzzed(data: Vec<u8>) {
        properties::client_ip_is_what_the_last_stranger_wrote(&data);
    }

    #[test]
    fn the_walk_has_them_on_text_that_looks_right(
        data in r#"[01]((for|by)=|[,;" \\]|10\.0\.0\.1|1\.2\.3\.4|::1|\[|\]|:80){0,12}"#
    ) {
        properties::client_ip_is_what_the_last_stranger_wrote(data.as_bytes());
    }
}
