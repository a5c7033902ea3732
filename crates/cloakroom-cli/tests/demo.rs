//! The demo as its visitors see it: a real process, and curl with a cookie jar.

mod server;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use cloakroom_test_services as services;
use server::{Folder, Server, command, run};

#[test]
fn each_visitor_counts_apart_and_from_one_again_after_a_reset() {
    let folder = Folder::new();
    let (ada, bob) = (folder.file("ada"), folder.file("bob"));
    let server = Server::start(&["--store", "memory"]);
    assert_eq!(
        [server.get(&ada, "/count"), server.get(&ada, "/count"), server.get(&ada, "/count")],
        ["1", "2", "3"]
    );
    assert_eq!(server.get(&bob, "/count"), "1");
    server.get(&ada, "/reset");
    assert_eq!(server.get(&ada, "/count"), "1");
    assert_eq!(server.get(&bob, "/count"), "2");
    assert_eq!(server.get(&bob, "/healthz"), "ok");
}

#[test]
fn sessions_in_redb_survive_kill_9() {
    let folder = Folder::new();
    let (jar, store) = (folder.file("jar"), folder.redb());
    let server = Server::start(&["--store", &store]);
    assert_eq!(server.get(&jar, "/login?user=ada"), "signed in as ada");
    assert_eq!(server.get(&jar, "/count"), "1");
    server.kill();
    let server = Server::start(&["--store", &store]);
    assert_eq!(server.get(&jar, "/count"), "2");
    assert_eq!(server.get(&jar, "/whoami"), "ada");
}

#[test]
fn two_demos_share_each_server_and_survive_kill_9() {
    let folder = Folder::new();
    let sqlite = format!("sqlite:{}", folder.file("sessions.sqlite").display());
    for store in [
        services::redis(),
        services::redis_sentinel(),
        services::redis_cluster(),
        services::postgres(),
        services::mysql(),
        services::memcached(),
        services::memcached_pair(),
        &sqlite,
    ] {
        let jar = folder.file(store.split(':').next().unwrap());
        let [one, two] = [(); 2].map(|()| Server::start(&["--store", store]));
        assert_eq!(one.get(&jar, "/count"), "1", "{store}");
        assert_eq!(two.get(&jar, "/count"), "2", "{store}");
        one.kill();
        two.kill();
        let one = Server::start(&["--store", store]);
        assert_eq!(one.get(&jar, "/count"), "3", "{store}");
        one.get(&jar, "/reset");
        assert_eq!(one.get(&jar, "/count"), "1", "{store}");
    }
}

#[test]
fn two_demos_share_one_folder_and_survive_each_others_kill_9() {
    let folder = Folder::new();
    let (jar, store) = (folder.file("jar"), format!("file:{}", folder.file("sessions").display()));
    let [one, two] = [(); 2].map(|()| Server::start(&["--store", &store]));
    assert_eq!(one.get(&jar, "/login?user=ada"), "signed in as ada");
    assert_eq!(two.get(&jar, "/whoami"), "ada");
    assert_eq!(one.get(&jar, "/count"), "1");
    assert_eq!(two.get(&jar, "/count"), "2");
    one.kill();
    assert_eq!(two.get(&jar, "/count"), "3");
    assert_eq!(two.get(&jar, "/logout"), "signed out");
    let one = Server::start(&["--store", &store]);
    assert_eq!(one.get(&jar, "/whoami"), "nobody");
}

#[test]
fn sigterm_ends_it_cleanly() {
    let folder = Folder::new();
    let server = Server::start(&["--store", &folder.redb()]);
    assert_eq!(server.get(&folder.file("jar"), "/count"), "1");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn whoever_signs_out_is_nobody() {
    let folder = Folder::new();
    let jar = folder.file("jar");
    let server = Server::start(&["--store", "memory"]);
    assert_eq!(server.get(&jar, "/whoami"), "nobody");
    server.get(&jar, "/login");
    assert_eq!(server.get(&jar, "/whoami"), "guest");
    assert_eq!(server.get(&jar, "/logout"), "signed out");
    assert_eq!(server.get(&jar, "/whoami"), "nobody");
}

#[test]
fn a_message_survives_one_redirect_and_no_more() {
    let folder = Folder::new();
    let jar = folder.file("jar");
    let server = Server::start(&["--store", "memory"]);
    let page = server.post(&jar, "/set", "key=theme&value=dark");
    assert!(page.contains("Set theme."), "{page}");
    assert!(page.contains("&quot;dark&quot;"), "{page}");
    assert!(!server.get(&jar, "/").contains("Set theme."));
}

#[test]
fn the_forms_do_what_they_say() {
    let folder = Folder::new();
    let jar = folder.file("jar");
    let server = Server::start(&["--store", "memory"]);
    assert!(server.post(&jar, "/count", "").contains("Counted to 1."));
    assert!(server.post(&jar, "/set", "key=count&value=41").contains("<code>41</code>"));
    assert!(server.post(&jar, "/count", "").contains("Counted to 42."));
    assert!(!server.post(&jar, "/remove", "key=count").contains("<code>42</code>"));

    server.post(&jar, "/destroy", "");
    let page = server.post(&jar, "/rotate", "");
    assert!(page.contains("There was no session") && page.contains("Nothing is stored for you"), "{page}");

    server.post(&jar, "/set", "key=a&value=kept");
    let before = fs::read_to_string(&jar).unwrap();
    assert!(server.post(&jar, "/rotate", "").contains("Rotated"));
    assert_ne!(fs::read_to_string(&jar).unwrap(), before);

    let page = server.post(&jar, "/sign-in", "user=ada");
    assert!(page.contains("Signed in as ada.") && page.contains("kept"), "{page}");
    assert!(server.post(&jar, "/sign-in", "user=").contains("A user name has 1 to 255 bytes."));

    let page = server.post(&jar, "/destroy", "");
    assert!(
        page.contains("The session is destroyed") && page.contains("Nothing is stored for you"),
        "{page}"
    );
    assert!(!fs::read_to_string(&jar).unwrap().contains("__Host-id"), "the cookie is gone");
}

#[test]
fn an_expired_cookie_leaves_the_browser_and_not_the_store() {
    let folder = Folder::new();
    let (jar, copy) = (folder.file("jar"), folder.file("copy"));
    let server = Server::start(&["--store", "memory"]);
    assert_eq!(server.get(&jar, "/count"), "1");
    fs::copy(&jar, &copy).unwrap();
    assert!(server.post(&jar, "/expire", "").contains("Your cookie is gone."));
    assert_eq!(server.get(&jar, "/count"), "1");
    assert_eq!(server.get(&copy, "/count"), "2");
}

#[test]
fn users_see_their_sessions_and_end_the_others() {
    let folder = Folder::new();
    let (here, there, other) = (folder.file("here"), folder.file("there"), folder.file("other"));
    let server = Server::start(&["--store", &folder.redb()]);
    server.get(&there, "/login?user=ada");
    server.get(&other, "/login?user=bob");
    let page = server.post(&here, "/sign-in", "user=ada");
    assert_eq!(page.matches("action=\"/end\"").count(), 2, "{page}");
    assert_eq!(page.matches(">this browser<").count(), 1);

    assert!(server.post(&here, "/end-others", "").contains("Signed out of 1 other session"));
    assert_eq!(server.get(&there, "/whoami"), "nobody");
    assert_eq!(server.get(&here, "/whoami"), "ada");
    assert_eq!(server.get(&other, "/whoami"), "bob");
}

/// SECURITY 59.
#[test]
fn users_see_in_which_browser_and_where_they_are_signed_in() {
    let folder = Folder::new();
    let (here, there) = (folder.file("here"), folder.file("there"));
    let server = Server::start(&["--store", &folder.redb()]);
    server.curl(
        &there,
        "/login?user=ada",
        &["--user-agent", "<script>alert(1)</script>", "--interface", "127.0.0.2"],
    );
    server.post(&here, "/sign-in", "user=ada");
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    server.curl(&here, "/count", &["--user-agent", firefox]);
    let page = server.get(&here, "/");
    assert!(page.contains("<strong>Firefox on Linux</strong> <span class=\"badge\">this browser</span><br>127.0.0.1, in use now"), "{page}");
    assert!(
        page.contains(
            "<strong>&lt;script&gt;alert(1)&lt;/script&gt;</strong> <br>127.0.0.2, last used <time"
        ),
        "{page}"
    );
    assert!(!page.contains("<script>"), "{page}");
}

#[test]
fn who_wants_no_browsers_and_addresses_kept_says_so_in_the_file() {
    let folder = Folder::new();
    let (jar, config) = (folder.file("jar"), folder.file("site.toml"));
    fs::write(&config, "[sessions]\non = true\nrecord_client = false\n").unwrap();
    let server = Server::start(&["--store", "memory", "--config", config.to_str().unwrap()]);
    let page = server.post(&jar, "/sign-in", "user=ada");
    assert!(
        page.contains("<strong>Unknown browser</strong>") && !page.contains("127.0.0.1, in use"),
        "{page}"
    );
}

#[test]
fn a_session_is_ended_by_its_own_user_alone() {
    let folder = Folder::new();
    let (ada, there, bob) = (folder.file("ada"), folder.file("there"), folder.file("bob"));
    let server = Server::start(&["--store", "memory"]);
    let page = server.post(&there, "/sign-in", "user=ada");
    let handle = handle_in(&page);
    server.get(&bob, "/login?user=bob");
    server.get(&ada, "/login?user=ada");
    let form = format!("handle={handle}");

    assert!(server.post(&bob, "/end", &form).contains("had ended already"));
    assert_eq!(server.get(&there, "/whoami"), "ada");
    assert!(server.post(&ada, "/end", &form).contains("Signed out there."));
    assert_eq!(server.get(&there, "/whoami"), "nobody");
}

/// SECURITY 12: the page shows its cookie shortened.
#[test]
fn no_page_contains_a_whole_token() {
    let folder = Folder::new();
    let jar = folder.file("jar");
    let server = Server::start(&["--store", "memory"]);
    server.get(&jar, "/count");
    let page = server.post(&jar, "/rotate", "");
    let jar = fs::read_to_string(&jar).unwrap();
    let token = jar.lines().last().unwrap().rsplit('\t').next().unwrap();
    assert_eq!(token.len(), 44, "this is a token: {jar}");
    assert!(page.contains(&format!("__Host-id={}…", &token[..8])), "{page}");
    assert!(page.contains("Set-Cookie: __Host-id="), "the redirect's cookie is shown: {page}");
    assert!(!page.contains(&token[..12]));
}

#[test]
fn forms_of_other_sites_are_refused() {
    let folder = Folder::new();
    let jar = folder.file("jar");
    let server = Server::start(&["--store", "memory"]);
    let options = ["--header", "Origin: http://elsewhere.test", "--data", "", "--write-out", "%{http_code}"];
    assert!(server.curl(&jar, "/count", &options).ends_with("403"));
    assert_eq!(server.get(&jar, "/count"), "1");
}

#[test]
fn links_of_other_sites_change_nothing() {
    let folder = Folder::new();
    let jar = folder.file("jar");
    let server = Server::start(&["--store", "memory"]);
    server.get(&jar, "/login?user=ada");
    for path in ["/count", "/login?user=mallory", "/logout", "/reset"] {
        for sender in ["Sec-Fetch-Site: cross-site", "Referer: http://elsewhere.test/"] {
            let answer = server.curl(&jar, path, &["--header", sender, "--write-out", "%{http_code}"]);
            assert!(answer.ends_with("403"), "{path}, {sender}: {answer}");
        }
    }
    assert_eq!(server.get(&jar, "/whoami"), "ada");
    assert_eq!(server.get(&jar, "/count"), "1");
}

#[test]
fn every_answer_keeps_the_browser_from_guessing_framing_telling_and_keeping() {
    let folder = Folder::new();
    let jar = folder.file("jar");
    let server = Server::start(&["--store", "memory"]);
    let paths =
        ["/", "/count", "/login?user=%3Cscript%3E", "/login?user=", "/healthz", "/style.css", "/nowhere"];
    for path in paths {
        let answer = server.curl(&jar, path, &["--include"]);
        for header in [
            "content-security-policy: default-src 'none'; ",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "referrer-policy: same-origin",
            "cache-control: no-store",
        ] {
            assert_eq!(answer.matches(header).count(), 1, "{path}, {header}: {answer}");
        }
    }
}

#[test]
fn a_full_session_is_told_in_words() {
    let folder = Folder::new();
    let (jar, config) = (folder.file("jar"), folder.file("site.toml"));
    fs::write(&config, "[sessions]\non = true\nmax_keys = 2\n").unwrap();
    let server = Server::start(&["--store", "memory", "--config", config.to_str().unwrap()]);
    assert!(server.post(&jar, "/set", "key=a&value=1").contains("Set a."));
    let page = server.post(&jar, "/set", "key=b&value=2");
    assert!(page.contains("Your session is full") && page.contains("<code>b</code>"), "{page}");
    assert!(server.post(&jar, "/count", "").contains("Your session is full"));
    assert!(server.post(&jar, "/rotate", "").contains("Your session is full"));
    assert!(server.post(&jar, "/remove", "key=a").contains("Removed a."));
    assert!(server.post(&jar, "/count", "").contains("Your session is full"));
    assert_eq!(server.get(&jar, "/count"), "2", "only the message found no room");
}

#[test]
fn a_long_list_of_sessions_is_cut_short() {
    let folder = Folder::new();
    let (jar, none) = (folder.file("jar"), folder.file("none"));
    let server = Server::start(&["--store", "memory"]);
    for _ in 0..21 {
        server.get(&none, "/login?user=ada");
        fs::remove_file(&none).unwrap();
    }
    let page = server.post(&jar, "/sign-in", "user=ada");
    assert_eq!(page.matches("action=\"/end\"").count(), 20);
    assert_eq!(page.matches(">this browser<").count(), 1);
    assert!(page.contains("and 2 that were used longer ago."), "{page}");
    assert!(server.post(&jar, "/end-others", "").contains("Signed out of 21 other sessions."));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long a person waits is measured on a real clock")]
fn a_second_signal_does_not_wait_for_requests() {
    let server = Server::start(&["--store", "memory"]);
    let mut client = TcpStream::connect(server.address()).unwrap();
    let head = "POST /set HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100", "the handler waits for its form");

    let asked = Instant::now();
    server.signal("INT");
    assert_eq!(server.terminate(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(8), "it waited as if asked once");
}

#[test]
fn nobody_reading_what_it_says_is_no_failure() {
    for (options, code) in [(&["--help"][..], 0), (&["dmeo"], 2)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = command()
            .args(options)
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .status()
            .expect("the command starts");
        assert_eq!(status.code(), Some(code), "{options:?}");
    }
}

#[test]
fn settings_come_from_the_sessions_table_of_a_file() {
    let folder = Folder::new();
    let (jar, config) = (folder.file("jar"), folder.file("site.toml"));
    fs::write(&config, "[sessions]\non = true\ncookie_name = \"ticket\"\ninitializer = { count = 9 }\n")
        .unwrap();
    let server = Server::start(&["--store", "memory", "--config", config.to_str().unwrap()]);
    assert_eq!(server.get(&jar, "/count"), "10");
    assert!(fs::read_to_string(&jar).unwrap().contains("\tticket\t"));
}

#[test]
fn what_cannot_be_started_gets_one_line_and_exit_code_2() {
    let folder = Folder::new();
    let file = |name: &str, text: &str| {
        let path = folder.file(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let wrong_name = file("name.toml", "[sessions]\non = true\nidle = \"1h\"\n");
    let wrong_value = file("value.toml", "[sessions]\non = true\n\nidle_timeout = \"30 parsecs\"\n");
    let out_of_range = file("range.toml", "[sessions]\nidle_timeout = \"2000h\"\non = true\n");
    let not_a_store = format!("redb:{}", file("text.redb", "this is no database"));
    let not_sessions = format!("file:{}", folder.file(".").display());
    let no_folder = format!("redb:{}", folder.file("no/such/folder.redb").display());
    for (options, named) in [
        (&["--store", "mongodb://x"][..], "known are redb:PATH, file:FOLDER, sqlite:PATH, redis://, "),
        (&["--locking", "always"], "by_method"),
        (&["--idle-timeout", "2d", "--absolute-timeout", "1d"], "idle_timeout"),
        (&["--config", &wrong_name], "name.toml:3: unknown field `idle`"),
        (&["--config", &wrong_value], "value.toml:4: "),
        (&["--config", &out_of_range], "range.toml:2: idle_timeout"),
        (&["--config", "no/such.toml"], "no/such.toml: "),
        (&["--config", "no\nsuch.toml"], "no such.toml: "),
        (&["--store", "a\nb"], "there is no store `a b`; known are"),
        (&["--store", &not_a_store], "text.redb"),
        (&["--store", "redis"], "write `redis://127.0.0.1:6379`"),
        (&["--store", &down("redis://me:s3cret@", "/1")], "Connection refused"),
        (&["--store", &down("redis+cluster://me:s3cret@", "")], "Connection refused"),
        (&["--store", &down("redis+sentinel://me:s3cret@", "/mymaster")], "Connection refused"),
        (&["--store", &down("postgres://me:s3cret@", "/site")], "Connection refused"),
        (&["--store", &down("mysql://me:s3cret@", "/site")], "Connection refused"),
        (&["--store", &down("memcached://", "")], "Connection refused"),
        (
            &["--store", &format!("sqlite:{}", folder.file("no/such/folder.sqlite").display())],
            "folder.sqlite",
        ),
        (&["--store", &not_sessions], "it has files in it but is no folder of sessions"),
        (
            &["--store", &no_folder],
            "No such file or directory (os error 2); choose another with --store redb:PATH",
        ),
    ] {
        // Where only the store matters, another default must not get in its way.
        let store = if options.contains(&"--store") { &[][..] } else { &["--store", "memory"] };
        let output = run(&[&["demo", "--listen", "127.0.0.1:0"], store, options].concat());
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(!complaint.contains("s3cret"), "{complaint}");
        assert!(complaint.contains(named), "{complaint}");
    }
}

/// The URL of a server that does not run.
fn down(before: &str, after: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("{before}{}{after}", listener.local_addr().expect("an address"))
}

#[test]
fn a_store_or_an_address_in_use_is_named() {
    let folder = Folder::new();
    let store = folder.redb();
    let server = Server::start(&["--store", &store]);
    let output = run(&["demo", "--listen", "127.0.0.1:0", "--store", &store]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("demo.redb"));

    let address = server.address();
    let output = run(&["demo", "--store", "memory", "--listen", address]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--listen"));
}

/// The ticket's handle, as the page shows it.
fn handle_in(page: &str) -> &str {
    let (_, after) = page.split_once("signs nobody in</span><code>").expect("a ticket");
    &after[..64]
}
