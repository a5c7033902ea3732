use std::net::SocketAddr;

use crate::{Browser, Process, Request, Response};

/// One of the programs in `examples`, started as its reader starts it.
#[derive(Debug)]
pub struct Example {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
}

impl Example {
    /// Starts `program` on a free port, and waits until it listens.
    pub async fn start(program: &str) -> Self {
        let mut process = Process::start_with(program, [], [("PORT", "0")]);
        let address = process.hear("listening on http://").await.parse().unwrap();
        Self { address, _process: process }
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
        assert_eq!(ann.get("/account").await.status, 401);
        let form = ann.get("/login").await;
        assert!(form.body.contains(r#"action="/login""#) && form.body.contains("password"), "{}", form.body);
        let wrong = ann.send(post_form("/login", "user=ann&password=guessed")).await;
        assert_eq!(wrong.status, 401);
        assert_eq!(ann.get("/account").await.status, 401);
        let before = ann.token();
        redirects(&ann.send(post_form("/login", "user=ann&password=sesame")).await);
        assert_ne!(ann.token(), before, "a sign-in changes the secret");
        assert!(ann.get("/").await.body.contains("Hello, ann"));
        let account = ann.get("/account").await;
        assert!(account.status == 200 && account.body.contains("ann"), "{account:?}");
        assert_eq!(ann.get("/count").await.body, "2", "what was in the session stays");
        assert_eq!(bob.get("/account").await.status, 401);

        redirects(&ann.post("/logout").await);
        assert_eq!(ann.get("/account").await.status, 401);
        assert_eq!(ann.get("/count").await.body, "1");
        assert!(
            self.browser().get("/").await.cookies().is_empty(),
            "a look at the first page stores nothing"
        );
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
