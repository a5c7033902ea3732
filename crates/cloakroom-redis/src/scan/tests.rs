use super::*;

#[test]
fn a_pattern_means_its_prefix_and_nothing_else() {
    let any_key = "?".repeat(64);
    assert_eq!(pattern("cloakroom:"), format!("cloakroom:{any_key}"));
    assert_eq!(pattern("a*b?c[d]e\\f^g-h"), format!("a\\*b\\?c\\[d\\]e\\\\f\\^g\\-h{any_key}"));
    assert_eq!(pattern(""), any_key);
}

#[test]
fn a_position_reads_back_as_it_was_written() {
    for text in [
        "0",
        "18446744073709551615",
        "7@127.0.0.1:6379/00000000000000ff",
        "7@::1:6379/ffffffffffffffff",
        "7@host.example:1/0123456789abcdef",
    ] {
        let position = ScanPosition::read(text.as_bytes()).unwrap();
        assert_eq!(position.write(), text);
        assert_eq!(position.in_cluster.is_some(), text.contains('@'));
    }
    for other in [
        "",
        "x",
        "1 ",
        "-1",
        "1@",
        "1@host",
        "1@host:port/1",
        "@host:1/1",
        "1@host:1",
        "1@host:1/x",
        "1@:1/1",
    ] {
        assert!(ScanPosition::read(other.as_bytes()).is_err(), "{other}");
    }
    assert!(ScanPosition::read(&[0xff]).is_err());
}

#[test]
fn a_tour_is_known_by_its_nodes() {
    let nodes = |names: &[&str]| names.iter().map(|name| Node::parse(name, "").unwrap()).collect::<Vec<_>>();
    let digests = [&["a:1", "b:2"][..], &["a:1"], &["a:12"], &["a:1", "b:2", "c:3"], &[]]
        .map(|names| digest(&nodes(names)));
    assert_eq!(std::collections::HashSet::from(digests).len(), digests.len());
    assert_eq!(digest(&nodes(&["a:1"])), 0x18f4_f982_dced_2239, "the same in every version");
}
