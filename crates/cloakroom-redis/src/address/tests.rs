use super::*;

fn shown(url: &str) -> String {
    Address::parse(url).unwrap().shown()
}

#[test]
fn urls_name_servers_sentinels_and_clusters() {
    for (url, expected) in [
        ("redis://host", "host:6379"),
        ("redis://host:1/2", "host:1"),
        ("rediss://host:1", "host:1"),
        ("valkey://[::1]:1", "::1:1"),
        ("valkeys://host", "host:6379"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
        ("redis+unix:///run/redis.sock?db=3", "/run/redis.sock"),
        ("redis+sentinel://a,b:1/name", "a:26379,b:1/name"),
        ("rediss+sentinel://a,[::1]/name/3", "a:26379,::1:26379/name"),
        ("valkey+sentinel://a/name/", "a:26379/name"),
        ("redis+cluster://a,b:1", "a:6379,b:1"),
        ("rediss+cluster://a/0", "a:6379"),
    ] {
        assert_eq!(shown(url), expected, "{url}");
    }
}

#[test]
fn a_login_is_read_and_not_shown() {
    for url in [
        "redis://ann:p%40ss@host/2",
        "redis+sentinel://ann:p%40ss@host/name/2",
        "redis+cluster://ann:p%40ss@host,other",
    ] {
        let address = Address::parse(url).unwrap();
        assert!(!address.shown().contains("ann"), "{url}");
        let (server, database) = match &address {
            Address::One(server) => (server, 2),
            Address::Sentinel { server, sentinels, .. } => {
                assert_eq!(sentinels[0].redis_settings().password(), None, "sentinels are asked without");
                (server, 2)
            }
            Address::Cluster(nodes) => (&nodes[1], 0),
        };
        let login = server.redis_settings();
        assert_eq!(
            (login.username(), login.password(), login.db()),
            (Some("ann"), Some("p@ss"), database),
            "{url}"
        );
    }
}

#[test]
fn tls_goes_for_sentinels_and_for_what_they_name() {
    for (url, expected) in [
        ("redis://host", false),
        ("rediss://host", true),
        ("redis+sentinel://host/name", false),
        ("rediss+sentinel://host/name", true),
        ("redis+cluster://host", false),
        ("rediss+cluster://host", true),
        ("unix:///rediss", false),
    ] {
        assert_eq!(Address::parse(url).unwrap().uses_tls(), expected, "{url}");
    }
}

#[test]
fn every_server_is_spoken_to_in_the_third_version_without_delay() {
    for url in ["redis://host", "redis://host?protocol=2", "unix:///socket"] {
        let Address::One(server) = Address::parse(url).unwrap() else { panic!("one server") };
        assert_eq!(server.redis_settings().protocol(), ProtocolVersion::RESP3);
        assert!(server.tcp_settings().nodelay());
        #[cfg(target_os = "linux")]
        assert_eq!(server.tcp_settings().user_timeout(), Some(KEEPALIVE));
    }
}
