use std::time::Duration;

use super::*;
use crate::random::Random;
use crate::testing::Jar;

const NAME: &str = "__Host-id";

fn values(field: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let flow = scan(field, NAME.as_bytes(), &mut |value| {
        found.push(value.to_vec());
        ControlFlow::Continue(())
    });
    assert!(flow.is_continue());
    found
}

fn ring() -> Keyring {
    Keyring::new(NAME, None, &[]).unwrap()
}

fn tokens(ring: &Keyring, count: usize) -> Vec<String> {
    (0..count).map(|_| ring.print(&ring.mint(&Random::os()).unwrap()).to_string()).collect()
}

fn collect(fields: &[&[u8]], name: &str, ring: &Keyring) -> Presented {
    let mut presented = Presented::default();
    fields.iter().for_each(|field| presented.read(field, name, ring));
    presented
}

/// What the ring reads out of these fields, printed again, and whether it was ambiguous.
fn presented(ring: &Keyring, fields: &[&[u8]]) -> (Vec<String>, bool) {
    let presented = collect(fields, NAME, ring);
    let texts: Vec<_> = presented.tokens().map(|token| ring.print(token).to_string()).collect();
    assert_eq!(presented.is_empty(), texts.is_empty());
    (texts, presented.is_ambiguous())
}

fn default_attributes() -> CookieAttributes<'static> {
    CookieAttributes {
        name: NAME,
        domain: None,
        path: "/",
        same_site: SameSite::Lax,
        secure: true,
        http_only: true,
    }
}

#[test]
fn the_value_is_found_wherever_it_stands() {
    for field in [
        "__Host-id=v",
        "a=b; __Host-id=v",
        "__Host-id=v; a=b",
        ";;__Host-id=v;;",
        "a; __Host-id=v; =b",
        "__Host-id = v",
        "\t __Host-id\t=\t v \t",
        "a=b;__Host-id=v",
    ] {
        assert_eq!(values(field.as_bytes()), [b"v"], "{field}");
    }
    assert_eq!(values(b"__Host-id=v=w==; __Host-id=; __Host-id==x"), [&b"v=w=="[..], b"", b"=x"]);
}

/// SECURITY 14.
#[test]
fn a_name_matches_byte_for_byte_and_undecoded() {
    for field in [
        "__%48ost-id=v",
        "%5F%5FHost-id=v",
        "__host-id=v",
        "__HOST-ID=v",
        "__Host-id2=v",
        "x__Host-id=v",
        "__Host-i=v",
        "__Host-id%20=v",
        "__Host\u{2010}id=v",
    ] {
        assert!(values(field.as_bytes()).is_empty(), "{field}");
    }
}

/// SECURITY 15.
#[test]
fn only_space_and_tab_are_trimmed() {
    let foreign: [&[u8]; 9] = [
        "\u{2000}".as_bytes(),
        "\u{0085}".as_bytes(),
        "\u{00a0}".as_bytes(),
        b"\x0b",
        b"\x0c",
        b"\x85",
        b"\xa0",
        b"\0",
        b"\n",
    ];
    for space in foreign {
        for field in [[space, b"__Host-id=v"].concat(), [b"a=b; ", space, b"__Host-id=v"].concat()] {
            assert!(values(&field).is_empty(), "{}", field.escape_ascii());
        }
        let field = [b"__Host-id", space, b"=v"].concat();
        assert!(values(&field).is_empty(), "{}", field.escape_ascii());
        let field = [b"__Host-id=", space].concat();
        assert_eq!(values(&field), [space], "{}", field.escape_ascii());
    }
}

/// SECURITY 16. The forms of RFC 2109 and 2965, which no browser writes.
#[test]
fn nameless_quoted_version_and_comma_forms_give_no_token() {
    let ring = ring();
    let token = &tokens(&ring, 1)[0];
    for field in [
        token.clone(),
        format!("={token}"),
        format!("=__Host-id={token}"),
        format!("__Host-id=\"{token}\""),
        format!("__Host-id='{token}'"),
        format!("a=b, __Host-id={token}"),
        format!("__Host-id={token}, a=b"),
        format!("$Version=1, __Host-id={token}"),
        format!("$__Host-id={token}"),
        format!("a=\"b, __Host-id={token}\""),
    ] {
        assert_eq!(presented(&ring, &[field.as_bytes()]).0, [""; 0], "{field}");
    }
    // `$Version` switches no mode on: it is a cookie of that name, and so is `$Path`.
    let field = format!("$Version=1; __Host-id={token}; $Path=/");
    assert_eq!(presented(&ring, &[field.as_bytes()]).0, [token.as_str()]);
}

/// SECURITY 17.
#[test]
fn neighbours_may_be_any_bytes() {
    let ring = ring();
    let token = &tokens(&ring, 1)[0];
    for neighbour in [&b"x=\xe9"[..], b"\xff\xfe=\0\x01", b"%=%zz", b"\"", b"x=\"", b"\xf0\x9f"] {
        let field = [neighbour, b"; __Host-id=", token.as_bytes(), b"; ", neighbour].concat();
        assert_eq!(presented(&ring, &[&field]).0, [token.as_str()], "{}", neighbour.escape_ascii());
    }
}

/// SECURITY 18.
#[test]
fn every_cookie_field_is_read() {
    let ring = ring();
    let token = &tokens(&ring, 1)[0];
    let ours = format!("__Host-id={token}");
    for fields in [[b"a=b", b"c=d", ours.as_bytes()], [ours.as_bytes(), b"a=b", b""]] {
        assert_eq!(presented(&ring, &fields).0, [token.as_str()]);
    }
    assert_eq!(presented(&ring, &[]), (vec![], false));
}

/// SECURITY 19. Which of them is valid is for the store to say.
#[test]
fn duplicates_are_all_presented_once_and_rubbish_takes_no_place() {
    let ring = ring();
    let all = tokens(&ring, 4);
    let mut field: String =
        all.iter().map(|token| format!("__Host-id={token}; __Host-id=rubbish; ")).collect();
    assert_eq!(presented(&ring, &[field.as_bytes()]), (all.clone(), false));
    field = field.repeat(3);
    assert_eq!(presented(&ring, &[field.as_bytes(), field.as_bytes()]), (all, false));
}

/// SECURITY 19, 20.
#[test]
fn a_fifth_distinct_token_makes_all_of_them_useless() {
    let ring = ring();
    for count in [5, 6, 1000] {
        let field: String = tokens(&ring, count).iter().map(|token| format!("__Host-id={token};")).collect();
        assert_eq!(presented(&ring, &[field.as_bytes()]), (vec![], true));
        assert_eq!(presented(&ring, &[field.as_bytes(), &field.as_bytes()[..60]]), (vec![], true));
    }
    let [first, rest @ ..] = &tokens(&ring, 5)[..] else { unreachable!() };
    let fields: Vec<_> = rest.iter().map(|token| format!("__Host-id={token}")).collect();
    let mut fields: Vec<_> = fields.iter().map(|field| field.as_bytes()).collect();
    assert!(!presented(&ring, &fields).1);
    let fifth = format!("__Host-id={first}");
    fields.insert(0, fifth.as_bytes());
    assert_eq!(presented(&ring, &fields), (vec![], true));
}

#[test]
fn the_scan_stops_when_the_visitor_says_so() {
    let mut seen = 0;
    let flow = scan(b"__Host-id=a; __Host-id=b", NAME.as_bytes(), &mut |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert!(flow.is_break());
    assert_eq!(seen, 1);
}

/// SECURITY 7.
#[test]
fn the_default_cookie_is_exactly_this() {
    let template = CookieTemplate::new(default_attributes()).unwrap();
    assert_eq!(template.set("VALUE", None), "__Host-id=VALUE; Path=/; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(
        template.set("VALUE", Some(Duration::from_secs(3600))),
        "__Host-id=VALUE; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600"
    );
    assert_eq!(template.removal(), "__Host-id=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
}

#[test]
fn every_attribute_that_is_set_is_written_and_no_other() {
    let template = CookieTemplate::new(CookieAttributes {
        name: "id",
        domain: Some("example.org"),
        path: "/app",
        same_site: SameSite::Strict,
        secure: false,
        http_only: false,
    })
    .unwrap();
    assert_eq!(template.set("v", None), "id=v; Domain=example.org; Path=/app; SameSite=Strict");
    assert_eq!(template.removal(), "id=; Domain=example.org; Path=/app; SameSite=Strict; Max-Age=0");
    let embedded =
        CookieTemplate::new(CookieAttributes { same_site: SameSite::None, ..default_attributes() }).unwrap();
    assert_eq!(embedded.set("v", None), "__Host-id=v; Path=/; Secure; HttpOnly; SameSite=None");
}

/// SECURITY 10. `Max-Age=0` would remove the cookie, so what is left of a second is a second.
#[test]
fn a_lifetime_is_between_one_second_and_400_days() {
    let template = CookieTemplate::new(default_attributes()).unwrap();
    for (given, written) in [
        (Duration::ZERO, 1),
        (Duration::from_millis(999), 1),
        (Duration::from_millis(2500), 2),
        (Duration::from_secs(34_560_000), 34_560_000),
        (Duration::MAX, 34_560_000),
    ] {
        let field = template.set("v", Some(given));
        assert!(field.ends_with(&format!("; Max-Age={written}")), "{field}");
    }
}

/// SECURITY 10.
#[test]
fn name_and_value_stay_below_what_browsers_take() {
    let room = 4096 - crate::token::Token::MAX_PRINTED_LEN;
    let template = |name: &str| CookieTemplate::new(CookieAttributes { name, ..default_attributes() });
    assert!(template(&"n".repeat(room)).is_ok());
    let error = template(&"n".repeat(room + 1)).unwrap_err();
    assert_eq!(error.setting(), "cookie_name");
    assert!(NAME.len() + crate::token::Token::MAX_PRINTED_LEN <= 128);
}

/// SECURITY 11.
#[test]
fn settings_that_browsers_would_refuse_name_the_setting_and_what_to_choose() {
    let good = default_attributes();
    let named = |name| CookieAttributes { name, ..good };
    let cases = [
        (named(""), "cookie_name", "choose a name"),
        (named("a b"), "cookie_name", "choose a name"),
        (named("a=b"), "cookie_name", "choose a name"),
        (named("a;b"), "cookie_name", "choose a name"),
        (named("a\r\nb"), "cookie_name", "choose a name"),
        (named("a\0"), "cookie_name", "choose a name"),
        (named("sitzung\u{e4}"), "cookie_name", "choose a name"),
        (CookieAttributes { path: "", ..good }, "cookie_path", "starts with /"),
        (CookieAttributes { path: "app", ..good }, "cookie_path", "starts with /"),
        (CookieAttributes { path: "/;Secure", ..good }, "cookie_path", "percent-encode"),
        (CookieAttributes { path: "/\r\nX: y", ..good }, "cookie_path", "percent-encode"),
        (CookieAttributes { path: "/a b", ..good }, "cookie_path", "percent-encode"),
        (CookieAttributes { path: "/\u{e4}", ..good }, "cookie_path", "percent-encode"),
        (CookieAttributes { path: "/a?b", ..good }, "cookie_path", "path alone"),
        (CookieAttributes { path: "/a#b", ..good }, "cookie_path", "path alone"),
        (CookieAttributes { path: "/app", ..good }, "cookie_path", "__Secure-id"),
        (CookieAttributes { domain: Some("example.org"), ..good }, "cookie_domain", "__Secure-id"),
        (CookieAttributes { domain: Some(""), ..good }, "cookie_domain", "example.org"),
        (CookieAttributes { domain: Some(".example.org"), ..good }, "cookie_domain", "first dot"),
        (CookieAttributes { domain: Some("a;b"), ..good }, "cookie_domain", "example.org"),
        (CookieAttributes { domain: Some("a\nb"), ..good }, "cookie_domain", "example.org"),
        (CookieAttributes { domain: Some("a..b"), ..good }, "cookie_domain", "example.org"),
        (CookieAttributes { domain: Some("example.org:80"), ..good }, "cookie_domain", "example.org"),
        (CookieAttributes { secure: false, ..good }, "danger_allow_plain_http", "without prefix"),
        (
            CookieAttributes { secure: false, ..named("__host-id") },
            "danger_allow_plain_http",
            "without prefix",
        ),
        (CookieAttributes { path: "/app", ..named("__HOST-id") }, "cookie_path", "__Secure-id"),
        (
            CookieAttributes { secure: false, ..named("__Secure-id") },
            "danger_allow_plain_http",
            "without prefix",
        ),
        (
            CookieAttributes { http_only: false, ..named("__Http-id") },
            "danger_allow_script_access",
            "rename it",
        ),
        (
            CookieAttributes { http_only: false, ..named("__Host-Http-id") },
            "danger_allow_script_access",
            "rename it",
        ),
        (
            CookieAttributes { secure: false, ..named("__Http-id") },
            "danger_allow_plain_http",
            "without prefix",
        ),
        (
            CookieAttributes { secure: false, same_site: SameSite::None, ..named("id") },
            "cookie_same_site",
            "choose lax",
        ),
    ];
    for (attributes, setting, advice) in cases {
        let error = CookieTemplate::new(attributes).expect_err(&format!("{attributes:?}"));
        assert_eq!(error.setting(), setting, "{attributes:?}");
        let message = error.to_string();
        assert!(message.contains(advice), "{message}");
        assert!(!message.contains(['\n', '\r', '\0']), "{message}");
    }
    let long_path = format!("/{}", "p".repeat(1024));
    let error = CookieTemplate::new(CookieAttributes { path: &long_path, ..named("id") }).unwrap_err();
    assert!(error.to_string().contains("shorter path"), "{error}");
}

#[test]
fn settings_that_browsers_take_are_taken() {
    let good = default_attributes();
    let secure = CookieAttributes { name: "__Secure-id", ..good };
    for attributes in [
        CookieAttributes { http_only: false, ..good },
        CookieAttributes { domain: Some("example.org"), path: "/app", ..secure },
        CookieAttributes { domain: Some("xn--bcher-kva.example"), ..secure },
        CookieAttributes { domain: Some("localhost"), ..secure },
        CookieAttributes { name: "__Http-id", domain: Some("example.org"), ..good },
        CookieAttributes { name: "__Host-Http-id", ..good },
        CookieAttributes { name: "__Hosts", secure: false, domain: Some("example.org"), ..good },
        CookieAttributes { name: "webpy_session_id", secure: false, http_only: false, ..good },
    ] {
        assert!(CookieTemplate::new(attributes).is_ok(), "{attributes:?}");
    }
}

#[test]
fn same_site_reads_and_writes_in_lower_case() {
    for (value, text) in [(SameSite::Strict, "strict"), (SameSite::Lax, "lax"), (SameSite::None, "none")] {
        assert_eq!(value.to_string(), text);
        assert_eq!(serde_json::to_string(&value).unwrap(), format!("{text:?}"));
        assert_eq!(serde_json::from_str::<SameSite>(&format!("{text:?}")).unwrap(), value);
    }
    serde_json::from_str::<SameSite>("\"Lax\"").unwrap_err();
    assert_eq!(SameSite::default(), SameSite::Lax);
}

proptest::proptest! {
    #[test]
    fn the_scan_has_the_properties_that_are_fuzzed(data: Vec<u8>) {
        properties::scan_finds_what_a_naive_reading_finds(&data);
    }

    #[test]
    fn the_scan_has_them_on_text_that_looks_right(
        data in "[012](__Host-id|id|i|d|[;= \t\"$,]|\u{a0}){0,16}",
    ) {
        properties::scan_finds_what_a_naive_reading_finds(data.as_bytes());
    }

    /// SECURITY 8. Whatever the settings allow, a browser takes, sends back and really removes.
    #[test]
    fn a_browser_keeps_what_the_template_sets_and_forgets_what_it_removes(
        name in "(__Host-|__Secure-|__Http-|__Host-Http-|__host-)?[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,12}",
        domain in proptest::option::of("(app\\.)?example\\.org"),
        path in "/|/app|/app/|/a[!-~]{0,4}",
        same_site in proptest::sample::select(vec![SameSite::Strict, SameSite::Lax, SameSite::None]),
        secure: bool,
        http_only: bool,
        max_age in proptest::option::of(0..1_000_000_000_u64),
    ) {
        let (name, path, domain) = (&name[..], &path[..], domain.as_deref());
        let attributes = CookieAttributes { name, domain, path, same_site, secure, http_only };
        let Ok(template) = CookieTemplate::new(attributes) else { return Ok(()) };
        let ring = ring();
        let value = &tokens(&ring, 1)[0];
        let mut jar = Jar::new("app.example.org");
        jar.receive(&template.set(value, max_age.map(Duration::from_secs)), "/login", secure).unwrap();
        jar.receive("neighbour=1; Path=/", "/", true).unwrap();

        let header = jar.cookie_header(path, secure).unwrap();
        let presented = collect(&[header.as_bytes()], name, &ring);
        let texts: Vec<_> = presented.tokens().map(|token| ring.print(token).to_string()).collect();
        proptest::prop_assert_eq!(texts, [value.as_str()]);
        proptest::prop_assert_eq!(jar.remaining(name).is_some(), max_age.is_some());

        jar.receive(&template.removal(), "/elsewhere/logout", secure).unwrap();
        proptest::prop_assert_eq!(jar.cookie_header(path, secure).unwrap(), "neighbour=1");
    }
}
