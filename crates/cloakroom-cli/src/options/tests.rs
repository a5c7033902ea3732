use super::*;

fn parsed(line: &str) -> Result<Demo, Stop> {
    let Command::Demo(demo) = parse(line.split_whitespace().map(Into::into))?;
    Ok(demo)
}

fn complaint(line: &str) -> String {
    match parsed(line) {
        Err(Stop::Wrong(complaint)) => complaint,
        other => panic!("{line} gave {other:?}"),
    }
}

#[test]
fn the_demo_needs_no_option() {
    let demo = parsed("cloakroom demo").unwrap();
    assert_eq!(demo.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(demo.store, StoreUrl::Redb("./cloakroom-demo.redb".into()));
    assert_eq!((demo.idle_timeout, demo.absolute_timeout, demo.locking), (None, None, None));
    assert!(!demo.danger_allow_plain_http);
}

#[test]
fn every_option_is_read() {
    let demo = parsed(
        "cloakroom demo --listen [::1]:81 --store memory --idle-timeout 30m --absolute-timeout 12h \
         --locking implicit --danger-allow-plain-http --config site.toml",
    );
    assert_eq!(
        demo.unwrap(),
        Demo {
            listen: "[::1]:81".parse().unwrap(),
            store: StoreUrl::Memory,
            idle_timeout: Some(Duration::from_secs(1_800)),
            absolute_timeout: Some(Duration::from_secs(43_200)),
            locking: Some(Locking::Implicit),
            danger_allow_plain_http: true,
            config: Some("site.toml".into()),
        }
    );
}

#[test]
fn a_complaint_is_one_line_that_names_what_is_wrong() {
    for (line, named) in [
        ("cloakroom demo --listen here", "'here'"),
        ("cloakroom demo --listen localhost:80", "write an IP address and a port"),
        ("cloakroom demo --store mongodb://x", "known are redb:PATH, file:FOLDER, sqlite:PATH"),
        ("cloakroom demo --idle-timeout soon", "'soon'"),
        ("cloakroom demo --idle-timeout", "--idle-timeout <DURATION>"),
        ("cloakroom demo --lock implicit", "'--lock'"),
        ("cloakroom demo --locking always", "`by_method`"),
        ("cloakroom demo extra", "'extra'"),
        ("cloakroom dmo", "did you mean demo?"),
        ("cloakroom demo --stor memory", "did you mean --store?"),
        ("cloakroom", "cloakroom demo"),
    ] {
        let complaint = complaint(line);
        assert!(complaint.contains(named), "{line}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
}

#[test]
fn help_is_not_an_error() {
    assert!(matches!(parsed("cloakroom demo --help"), Err(Stop::Asked(help)) if help.contains("--store")));
    assert!(matches!(parsed("cloakroom --version"), Err(Stop::Asked(_))));
}
