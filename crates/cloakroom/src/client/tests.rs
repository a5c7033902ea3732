use super::*;

fn kept(field: &[u8]) -> Option<String> {
    user_agent(field).map(|text| text.to_string())
}

#[test]
fn a_user_agent_is_kept_as_it_was_sent() {
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    assert_eq!(kept(firefox.as_bytes()).as_deref(), Some(firefox));
    assert_eq!(kept(b"<script>alert(1)</script>").as_deref(), Some("<script>alert(1)</script>"));
    assert_eq!(kept(" Füchsin\t".as_bytes()).as_deref(), Some("Füchsin"));
}

#[test]
fn one_that_says_nothing_is_none() {
    for field in [&b""[..], b" \t ", b"\x1b\x07", "\u{202e}".as_bytes()] {
        assert_eq!(kept(field), None, "{field:?}");
    }
}

#[test]
fn characters_that_would_change_the_line_around_it_are_left_out() {
    for control in ["\0", "\r\n", "\x1b", "\u{85}", "\u{2028}", "\u{202e}", "\u{2066}", "\u{200f}"] {
        assert_eq!(kept(format!("a{control}b").as_bytes()).as_deref(), Some("ab"), "{control:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_marked() {
    assert_eq!(kept(b"a\xe9b\xff").as_deref(), Some("a\u{fffd}b\u{fffd}"));
}

#[test]
fn a_long_one_is_cut_between_two_characters() {
    assert_eq!(kept(&[b'x'; 256]).unwrap().len(), 256);
    assert_eq!(kept(&[b'x'; 100_000]).unwrap(), "x".repeat(256));
    assert_eq!(kept("ü".repeat(200).as_bytes()).unwrap(), "ü".repeat(128));
    assert_eq!(kept(format!("x{}", "ü".repeat(200)).as_bytes()).unwrap().len(), 255);
    assert_eq!(kept(&[0xff; 300]).unwrap(), "\u{fffd}".repeat(85));
}
