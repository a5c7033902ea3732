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
    for text in ["0", "18446744073709551615", "7@127.0.0.1:6379", "7@::1:6379", "7@host.example:1"] {
        let position = Position::read(text.as_bytes()).unwrap();
        assert_eq!(position.write(), text);
        assert_eq!(position.node.is_some(), text.contains('@'));
    }
    for other in ["", "x", "1 ", "-1", "1@", "1@host", "1@host:port", "@host:1"] {
        assert!(Position::read(other.as_bytes()).is_err(), "{other}");
    }
    assert!(Position::read(&[0xff]).is_err());
}
