//! What holds for every input: checked by the tests and by the fuzz targets.

use super::*;

/// Whatever a client writes, it changes neither what a proxy appends to it nor what an untrusted peer is
/// taken for.
///
/// The first byte of `data` chooses the header, the rest is what the client sends.
pub fn client_ip_is_what_the_last_stranger_wrote(data: &[u8]) {
    let Some((choice, field)) = data.split_first() else { return };
    let header = if choice % 2 == 0 { "X-Forwarded-For" } else { "Forwarded" };
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let stranger = IpAddr::from([203, 0, 113, 9]);
    let trusted = [TrustedProxy(IpNet::from(proxy))];
    let walk = |peer, fields: &[&[u8]]| client_ip(peer, header, fields.iter().copied(), &trusted);

    assert_eq!(walk(stranger, &[field]), Some(stranger));

    let appended: &[&[u8]] = match header {
        "Forwarded" => &[b"for=203.0.113.9", b"for=\"203.0.113.9:80\";host=\"a,b\""],
        _ => &[b"203.0.113.9", b"203.0.113.9:80"],
    };
    for appended in appended {
        assert_eq!(walk(proxy, &[field, appended]), Some(stranger));
        assert_eq!(walk(proxy, &[&[field, b", ", appended].concat()]), Some(stranger));
    }

    // A line is the same as its parts joined by a comma, unless a quoted string is torn.
    if !field.contains(&b'"') {
        let lines: Vec<&[u8]> = field.split(|byte| *byte == b',').collect();
        assert_eq!(walk(proxy, &lines), walk(proxy, &[field]));
    }
    if let Some(address) = walk(proxy, &[field]) {
        assert_eq!(address, address.to_canonical());
    }
}
