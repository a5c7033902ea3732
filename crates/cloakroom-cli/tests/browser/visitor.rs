//! What a visitor does and sees in one Chromium.

use std::time::Duration;

use axum::http::Method;
use fantoccini::error::CmdError;
use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, Locator};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use url::{ParseError, Url};

/// A Chromium and the site it visits. A step that takes too long panics, and says which.
#[derive(Debug)]
pub(crate) struct Visitor {
    client: Client,
    home: String,
}

impl Visitor {
    pub(crate) fn new(client: Client, home: String) -> Self {
        Self { client, home }
    }

    /// Goes to a page of the site, as if its address had been typed.
    pub(crate) async fn open(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.home)).await.expect(path);
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.expect("a reload");
    }

    /// The browser's back button.
    pub(crate) async fn back(&self) {
        self.client.back().await.expect("a page before this one");
    }

    /// Clicks the button of the first form that posts there, and waits for the page it leads to.
    pub(crate) async fn press(&self, action: &str) {
        self.click(&format!("form[action='{action}'] button")).await;
    }

    /// Clicks what leads to another page, and waits for that.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.client.find(Locator::Css(selector)).await.expect(selector);
        self.arrive(async { element.click().await.expect(selector) }).await;
    }

    /// Does what leads to another page, and waits for that.
    pub(crate) async fn arrive(&self, act: impl Future<Output = ()>) {
        self.script("window.left = true").await;
        act.await;
        self.arrived().await;
    }

    /// Waits for a page that follows the one where `window.left` was set.
    pub(crate) async fn arrived(&self) {
        self.until("return !window.left && document.readyState === 'complete'").await;
    }

    /// Follows the tab key until the element has the focus.
    pub(crate) async fn walk_to(&self, selector: &str) {
        for _ in 0..100 {
            self.press_keys("\u{E004}").await;
            let there = "return document.activeElement.matches(arguments[0])";
            if self.script_with(there, vec![json!(selector)]).await == json!(true) {
                return;
            }
        }
        panic!("the tab key never gets to {selector}");
    }

    /// Types into whatever has the focus. Keys without a letter are those of WebDriver, section 17.4.2.
    pub(crate) async fn press_keys(&self, keys: &str) {
        let focus = self.client.active_element().await.expect("a page");
        focus.send_keys(keys).await.expect(keys);
    }

    /// Visits a page of somebody else, which sends a form here.
    pub(crate) async fn go_elsewhere_and_post_to(&self, path: &str) {
        let form = format!("<form method=post action={}{path}><button>Win!</button></form>", self.home);
        let page = format!("data:text/html,{form}");
        self.client.goto(&page).await.expect("a page of somebody else");
        self.click("button").await;
    }

    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let field = self.client.find(Locator::Css(selector)).await.expect(selector);
        field.send_keys(text).await.expect(selector);
    }

    /// Fills in the form and sends it.
    pub(crate) async fn sign_in(&self, name: &str) {
        self.type_into("input[name=user]", name).await;
        self.press("/sign-in").await;
    }

    pub(crate) async fn set(&self, key: &str, value: &str) {
        self.type_into("input[name=key]:not([type=hidden])", key).await;
        self.type_into("input[name=value]", value).await;
        self.press("/set").await;
    }

    /// The text of the first such element; none if the page has none.
    pub(crate) async fn text(&self, selector: &str) -> Option<String> {
        let script = "return document.querySelector(arguments[0])?.innerText ?? null";
        self.script_with(script, vec![json!(selector)]).await.as_str().map(str::to_owned)
    }

    /// What the page says once.
    pub(crate) async fn notice(&self) -> Option<String> {
        self.text(".notice").await
    }

    /// Who the page says its visitor is.
    pub(crate) async fn name(&self) -> Option<String> {
        self.text("header strong").await
    }

    /// The value that the page shows for a key of the session.
    pub(crate) async fn value(&self, key: &str) -> Option<String> {
        let script = "return [...document.querySelectorAll('tbody tr')]
            .find((row) => row.cells[0].innerText === arguments[0])?.cells[1].innerText ?? null";
        self.script_with(script, vec![json!(key)]).await.as_str().map(str::to_owned)
    }

    /// How many sessions the page lists.
    pub(crate) async fn sessions(&self) -> usize {
        self.client.find_all(Locator::Css("form[action='/end']")).await.expect("a list").len()
    }

    /// Everything that the page says.
    pub(crate) async fn page(&self) -> String {
        self.text("body").await.expect("a page")
    }

    /// The site's cookies as Chromium itself keeps them.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let answer = self.cdp("Storage.getCookies", json!({})).await;
        answer["cookies"].as_array().expect("a list").clone()
    }

    /// The session's cookie, without which the test makes no sense.
    pub(crate) async fn cookie(&self) -> Value {
        let cookies = self.cookies().await;
        assert_eq!(cookies.len(), 1, "{cookies:?}");
        cookies[0].clone()
    }

    /// Puts somebody else's cookie into this browser.
    pub(crate) async fn take_over(&self, cookie: &Value) {
        let mut cookie = cookie.clone();
        // Chromium wants no domain for a cookie of one host.
        cookie["url"] = json!(self.home);
        let fields = cookie.as_object_mut().expect("a cookie");
        fields.retain(|field, _| {
            ["name", "value", "path", "secure", "httpOnly", "sameSite", "url"].contains(&field.as_str())
        });
        self.cdp("Storage.setCookies", json!({ "cookies": [cookie] })).await;
    }

    /// What the console said since it was last asked, complaints of the browser among it.
    pub(crate) async fn console(&self) -> Vec<Value> {
        let log = self.command("se/log", json!({ "type": "browser" })).await.expect("a log");
        log.as_array().expect("a list").clone()
    }

    /// Sends this as its `User-Agent` from now on.
    pub(crate) async fn call_itself(&self, user_agent: &str) {
        self.cdp("Emulation.setUserAgentOverride", json!({ "userAgent": user_agent })).await;
    }

    /// `light` or `dark`.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", features).await;
    }

    /// Another screen; a narrow one is a phone's.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let phone = width < 500;
        let scale = if phone { 2 } else { 1 };
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// A PNG of the whole page on a screen of that width.
    pub(crate) async fn picture(&self, width: u32) -> Vec<u8> {
        let height = self.script("return document.documentElement.scrollHeight").await;
        self.resize(width, height.as_u64().and_then(|height| height.try_into().ok()).expect("a height"))
            .await;
        self.client.screenshot().await.expect("a picture")
    }

    /// One more tab; all that follows happens in it. Answers the one we were in.
    pub(crate) async fn new_tab(&self) -> WindowHandle {
        let here = self.client.window().await.expect("a tab");
        let tab = self.client.new_window(true).await.expect("one more tab");
        self.client.switch_to_window(tab.handle).await.expect("it is there");
        self.open("/").await;
        here
    }

    /// Turns to another tab. Answers the one we were in.
    pub(crate) async fn turn_to(&self, tab: WindowHandle) -> WindowHandle {
        let here = self.client.window().await.expect("a tab");
        self.client.switch_to_window(tab).await.expect("it is there");
        here
    }

    /// Closes the browser as its user would: it stores what it stores.
    pub(crate) async fn close(self) {
        self.client.close().await.expect("it closes");
    }

    /// Waits until the script returns true, over the change of a page too.
    pub(crate) async fn until(&self, script: &str) {
        let mut last = Ok(Value::Null);
        let wait = async {
            loop {
                last = self.client.execute(script, Vec::new()).await;
                if matches!(last, Ok(Value::Bool(true))) {
                    break;
                }
                sleep(GLANCE).await;
            }
        };
        let waited = timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "never true: {script}: {last:?}");
    }

    pub(crate) async fn script(&self, script: &str) -> Value {
        self.script_with(script, Vec::new()).await
    }

    pub(crate) async fn script_with(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.expect(script)
    }

    /// A command of the Chrome DevTools Protocol.
    pub(crate) async fn cdp(&self, name: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": name, "params": parameters })).await.expect(name)
    }

    async fn command(&self, path: &'static str, body: Value) -> Result<Value, CmdError> {
        timeout(PATIENCE, self.client.issue_cmd(Post { path, body })).await.expect(path)
    }
}

/// What WebDriver does not know and chromedriver does.
#[derive(Debug)]
struct Post {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(&self, driver: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        driver.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// How long anything may take on a slow and busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at something that is on its way.
pub(crate) const GLANCE: Duration = Duration::from_millis(10);
