use cloakroom_store::{Applied, OpenErrorKind};

use super::*;

const NO: ErrorKind = ErrorKind::Unavailable(Applied::No);
const MAYBE: ErrorKind = ErrorKind::Unavailable(Applied::Maybe);

/// What the server says, as the driver reports it.
fn said(message: &str) -> RedisError {
    let value = redis::parse_redis_value(format!("-{message}\r\n").as_bytes()).unwrap();
    value.extract_error().unwrap_err()
}

fn of_write(message: &str) -> ErrorKind {
    Fault::sent(said(message)).of_write().kind()
}

fn of_read(message: &str) -> ErrorKind {
    Fault::sent(said(message)).of_read().kind()
}

/// Redis 6.2 says it in words of its own when a script meets it.
fn in_a_script(message: &str) -> String {
    format!(
        "ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c0e791): @user_script:10: @user_script: 10: -{message}"
    )
}

#[test]
fn what_the_server_refuses_changed_nothing() {
    for message in [
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "READONLY You can't write against a read only replica.",
        "CLUSTERDOWN The cluster is down",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "MOVED 1 127.0.0.1:7000",
        "ASK 1 127.0.0.1:7000",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "MISCONF Errors writing to the AOF file: No space left on device",
        "NOREPLICAS Not enough good replicas to write.",
        "NOAUTH Authentication required.",
    ] {
        assert_eq!(of_write(message), NO, "{message}");
        assert_eq!(of_read(message), NO, "{message}");
    }
}

#[test]
fn a_refusal_within_a_script_is_understood_before_redis_7() {
    let full = "OOM command not allowed when used memory > 'maxmemory'.";
    let readonly = "READONLY You can't write against a read only replica.";
    let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
    for (message, kind) in [(full, ErrorKind::Full), (readonly, NO), (wrong, ErrorKind::Corrupt)] {
        assert_eq!(of_write(message), kind);
        assert_eq!(of_write(&in_a_script(message)), kind);
    }
}

#[test]
fn what_is_not_understood_may_have_changed_something() {
    for message in [
        "ERR something else",
        "ERR Unknown Redis command called from script script: 985c, on @user_script:1.",
        "UNHEARDOF of",
    ] {
        assert_eq!(of_write(message), MAYBE, "{message}");
        assert_eq!(of_read(message), NO, "{message}");
    }
    let broken = || RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    assert_eq!(Fault::sent(broken()).of_write().kind(), MAYBE);
    assert_eq!(Fault::sent(broken()).of_read().kind(), NO);
    assert_eq!(Fault::unsent(broken()).of_write().kind(), NO);
}

#[test]
fn what_the_server_refuses_until_somebody_changes_it_is_refused() {
    let missing_rights = [
        "NOPERM this user has no permissions to run the 'evalsha' command",
        "NOPERM this user has no permissions to access one of the keys used as arguments",
        "NOPERM User site has no permissions to run the 'hmget' command",
    ];
    let missing_command = "ERR unknown command 'EVALSHA', with args beginning with: 'a' 'b'";
    for message in missing_rights.into_iter().chain([missing_command]) {
        assert_eq!(of_write(message), ErrorKind::Refused, "{message}");
        assert_eq!(of_read(message), ErrorKind::Refused, "{message}");
    }
}

#[test]
fn a_right_that_a_script_lacks_is_missing_before_or_after_it_wrote() {
    // Before Redis 7.2, and since.
    for message in [
        "ERR The user executing the script can't run this command or subcommand script: 1d29, on @user_script:1.",
        "NOPERM ACL failure in script: User site has no permissions to run the 'pexpire' command",
    ] {
        assert_eq!(of_write(message), MAYBE, "{message}");
        assert_eq!(of_read(message), ErrorKind::Refused, "{message}");
    }
}

#[test]
fn a_node_of_a_cluster_is_refused_where_a_single_server_was_opened() {
    for message in ["MOVED 1 127.0.0.1:7000", "CROSSSLOT Keys in request don't hash to the same slot"] {
        for (fault, kind) in [
            (Fault::sent(said(message)), NO),
            (Fault::sent(said(message)).on_single_server(), ErrorKind::Refused),
        ] {
            let error = fault.of_write();
            assert_eq!(error.kind(), kind, "{message}");
            assert_eq!(
                format!("{error:?}").contains("redis+cluster"),
                kind == ErrorKind::Refused,
                "{error:?}"
            );
        }
    }
}

#[test]
fn a_failure_to_open_says_whether_it_may_pass() {
    let io = |kind: std::io::ErrorKind| RedisError::from(std::io::Error::from(kind));
    for (error, kind) in [
        (io(std::io::ErrorKind::ConnectionRefused), OpenErrorKind::Unavailable),
        (io(std::io::ErrorKind::TimedOut), OpenErrorKind::Unavailable),
        (said("LOADING Redis is loading the dataset in memory"), OpenErrorKind::Unavailable),
        (said("WRONGPASS invalid username-password pair"), OpenErrorKind::Refused),
        (said("NOAUTH Authentication required."), OpenErrorKind::Refused),
        (said("NOPERM this user has no permissions to run the 'info' command"), OpenErrorKind::Refused),
        (said("ERR unknown command 'INFO', with args beginning with: 'memory'"), OpenErrorKind::Refused),
        (said("DENIED Redis is running in protected mode"), OpenErrorKind::Refused),
        (said("ERR something else"), OpenErrorKind::Other),
    ] {
        assert_eq!(open_error("host:1", false, &error).kind(), kind, "{error}");
    }
}

#[test]
fn a_refusal_of_something_that_was_not_sent_is_no_refusal() {
    let full = said("OOM command not allowed when used memory > 'maxmemory'.");
    assert_eq!(Fault::unsent(full).of_write().kind(), NO);
}

#[test]
fn an_error_is_one_line() {
    let error = said("ERR one\ttwo");
    assert_eq!(open_error("host:1", false, &error).to_string().lines().count(), 1);
    let io = RedisError::from(std::io::Error::other("one\r\ntwo\nthree"));
    assert_eq!(open_error("host:1", false, &io).to_string(), "cannot use Redis at host:1: one  two three");
}

#[test]
fn a_primary_that_became_a_replica_is_left_whatever_the_version() {
    let readonly = "READONLY You can't write against a read only replica.";
    for message in [readonly, &in_a_script(readonly)] {
        assert!(Fault::sent(said(message)).ends_connection(), "{message}");
    }
    let full = "OOM command not allowed when used memory > 'maxmemory'.";
    assert!(!Fault::sent(said(full)).ends_connection());
}

#[test]
fn what_a_server_repeats_is_neither_shown_nor_understood() {
    let repeated = "ERR unknown command 'EVALSHA', with args beginning with: 'OOM WRONGTYPE secret' ";
    for error in [Fault::sent(said(repeated)).of_write(), Fault::sent(said(repeated)).of_read()] {
        assert_eq!(error.kind(), ErrorKind::Refused);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("does not know a command") && !shown.contains("secret"), "{shown}");
    }
    for message in ["ERR secret", "OOM secret", "UNHEARDOF secret", "READONLY secret"] {
        let error = Fault::sent(said(message)).of_write();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(&message[..3]) && !shown.contains("secret"), "{shown}");
    }
}

#[test]
fn only_what_another_node_may_do_better_tells_of_a_change() {
    let readonly = "READONLY You can't write against a read only replica.";
    for message in
        ["MOVED 1 ?:7000", "CLUSTERDOWN x", "MASTERDOWN x", "LOADING x", readonly, &in_a_script(readonly)]
    {
        assert!(Fault::sent(said(message)).tells_of_change(), "{message}");
    }
    let broken = || RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    assert!(Fault::sent(broken()).tells_of_change());
    assert!(Fault::unsent(said("WRONGPASS x")).tells_of_change());
    for message in [
        "WRONGTYPE x",
        "OOM x",
        "NOSCRIPT x",
        "BUSY x",
        "NOPERM x",
        "MISCONF x",
        "NOREPLICAS x",
        "ERR x",
        "ASK 1 a:7",
    ] {
        assert!(!Fault::sent(said(message)).tells_of_change(), "{message}");
    }
}
