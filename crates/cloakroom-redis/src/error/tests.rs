use cloakroom_store::{Applied, ErrorKind};

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
        "ERR unknown command 'EVALSHA', with args beginning with: 'a' 'b'",
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
        "NOPERM this user has no permissions to run the 'pexpireat' command",
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
fn a_refusal_of_something_that_was_not_sent_is_no_refusal() {
    let full = said("OOM command not allowed when used memory > 'maxmemory'.");
    assert_eq!(Fault::unsent(full).of_write().kind(), NO);
}

#[test]
fn an_error_is_one_line() {
    let error = said("ERR one\ttwo");
    assert_eq!(ConnectError::failed("host:1", false, &error).to_string().lines().count(), 1);
    let io = RedisError::from(std::io::Error::other("one\r\ntwo\nthree"));
    assert_eq!(
        ConnectError::failed("host:1", false, &io).to_string(),
        "cannot use Redis at host:1: one  two three"
    );
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
        assert_eq!(error.kind(), NO);
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
