use std::net::SocketAddr;

use crate::browser::Browser;
use crate::message::{Request, Response};
use crate::processes::Process;

/// One of the programs in `examples`, started as its reader starts it.
#[derive(Debug)]
pub struct Example {
    /// Where it listens.
    pub address: SocketAddr,
    cookie: String,
    _process: Process,
}

impl Example {
    /// Starts `program` on a free port, and waits until it listens.
    pub async fn start(program: &str) -> Self {
        let mut process = Process::start_with(program, [], [("PORT", "0")]);
        let address = process.hear("listening on http://").await.parse().unwrap();
        let (_, name) = program.rsplit_once("example-").expect("the program of an example");
        // Cookies know no ports: who tries several examples at localhost needs a cookie for each.
        Self { address, cookie: format!("__Host-{name}"), _process: process }
    }

    /// Starts `program` with a port that is none; it says so in one line.
    pub fn refuses_a_wrong_port(program: &str) {
        let output = std::process::Command::new(program).env("PORT", "abc").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert!(said.lines().count() == 1 && said.contains("PORT must be a number"), "{said}");
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::at(self.address)
    }

    /// What all of them do: the counter and the login of web.py's documentation.
    pub async fn counts_and_signs_in(&self) {
        let (ann, bob) = (self.browser(), self.browser());
        for expected in ["1", "2", "3"] {
            assert_eq!(ann.get("/count").await.body, expected);
        }
        assert_eq!(bob.get("/count").await.body, "1", "another visitor");
        redirects(&ann.post("/reset").await);
        assert_eq!(ann.get("/count").await.body, "1");

        assert!(ann.get("/").await.body.contains("Hello, stranger"));
        self.leads_on(&ann).await;
        asks_to_sign_in(&ann.get("/account").await, "");
        let form = ann.get("/login").await;
        assert!(form.body.contains(r#"action="/login""#) && form.body.contains("password"), "{}", form.body);
        let long = "x".repeat(101);
        for (user, password, shown) in
            [("ann%22", "guessed", "ann&quot;"), ("", "sesame", ""), (&long, "sesame", &long)]
        {
            let wrong = post_form("/login", &format!("user={user}&password={password}"));
            asks_to_sign_in(&ann.send(wrong).await, shown);
        }
        asks_to_sign_in(&ann.get("/account").await, "");
        let before = self.secret(&ann);
        redirects(&ann.send(post_form("/login", "user=ann&password=sesame")).await);
        assert_ne!(self.secret(&ann), before, "a sign-in changes the secret");
        assert!(ann.get("/").await.body.contains("Hello, ann"));
        let account = ann.get("/account").await;
        assert!(account.status == 200 && account.body.contains("ann"), "{account:?}");
        assert_eq!(ann.get("/count").await.body, "2", "what was in the session stays");
        assert_eq!(bob.get("/account").await.status, 401);
        self.leads_on(&ann).await;

        redirects(&ann.post("/logout").await);
        assert_eq!(ann.get("/account").await.status, 401);
        assert_eq!(ann.get("/count").await.body, "1");
        assert!(
            self.browser().get("/").await.cookies().is_empty(),
            "a look at the first page stores nothing"
        );
    }

    fn secret(&self, browser: &Browser) -> String {
        browser.jar().get(&self.cookie).expect("a cookie with the example's own name").to_owned()
    }

    /// Every link of the front page leads somewhere, and every page leads home. (The counter is text.)
    async fn leads_on(&self, browser: &Browser) {
        let front = browser.get("/").await.body;
        let links: Vec<_> =
            front.split(r#"href=""#).skip(1).filter_map(|link| link.split('"').next()).collect();
        assert!(links.len() >= 2, "{front}");
        for link in links.into_iter().filter(|link| *link != "/count") {
            let page = browser.get(link).await;
            assert_eq!(page.status, 200, "{link}");
            for part in [r#"href="/""#, r#"<html lang="en">"#, r#"<meta name="viewport""#, "<title>"] {
                assert!(page.body.contains(part), "{link} without {part}: {}", page.body);
            }
        }
        let nowhere = browser.get("/nowhere").await;
        assert!(nowhere.status == 404 && !nowhere.body.is_empty(), "{nowhere:?}");
    }
}

/// It is the form, with what was typed as the name.
fn asks_to_sign_in(response: &Response, name: &str) {
    assert_eq!(response.status, 401, "{response:?}");
    for part in [r#"action="/login""#, r#"href="/""#, &format!(r#"name="user" value="{name}""#)] {
        assert!(response.body.contains(part), "without {part}: {}", response.body);
    }
}

/// A form as a browser sends it.
pub fn post_form(path: &str, form: &str) -> Request {
    Request::post(path).header("Content-Type", "application/x-www-form-urlencoded").body(form)
}

/// Where the response redirects to, with the GET that browsers then make (RFC 9110 §15.4.4).
pub fn redirects(response: &Response) -> &str {
    assert_eq!(response.status, 303, "{response:?}");
    response.header("location").expect("a place to go")
}
