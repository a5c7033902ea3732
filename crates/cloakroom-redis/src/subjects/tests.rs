use super::*;

#[test]
fn a_position_reads_back_as_it_was_written() {
    for bytes in [&b"4102444860000:00ff"[..], b"9.0000000000000001e+15:x", b"0::", b"1:\xff"] {
        assert_eq!(IndexPosition::read(bytes).unwrap().write(), bytes);
    }
    for other in [&b""[..], b":", b"1:", b":key", b"x:key", b"1", b"\xff:key"] {
        assert_eq!(IndexPosition::read(other).unwrap_err().kind(), ErrorKind::Other, "{other:?}");
    }
}
