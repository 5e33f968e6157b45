//! A real Chromium, driven over WebDriver by ChromeDriver. Waits happen in the browser, frame by
//! frame: no test sleeps.

use std::cell::Cell;
use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

/// Time for a command of WebDriver, and for what a page is waited for, in milliseconds.
const COMMAND: Duration = Duration::from_secs(60);
const WAIT: u64 = 20_000;

/// Starts of ChromeDriver: two that start at once may choose the same port.
const STARTS: usize = 5;

type Lines = std::io::Lines<BufReader<ChildStdout>>;

/// ChromeDriver, with its port and what it says from then on.
fn driver() -> (Child, u16, Lines) {
    for _ in 0..STARTS {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ChromeDriver: see tests/browser/README.md");
        let mut lines = BufReader::new(driver.stdout.take().expect("its output")).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        match port {
            Some(port) => return (driver, port, lines),
            None => drop(driver.wait()),
        }
    }
    panic!("ChromeDriver does not start");
}

/// A browser with one window.
pub struct Browser {
    driver: Child,
    session: String,
    base: String,
    /// Whether pages run no script: then nothing can wait in them.
    is_plain: Cell<bool>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one that shows pages of that address.
    pub fn start(base: &str) -> Self {
        let profile = tempfile::tempdir().expect("a profile");
        let (driver, port, lines) = driver();
        let mut browser = Self {
            session: format!("http://127.0.0.1:{port}/session"),
            driver,
            base: format!("http://{base}"),
            is_plain: Cell::new(false),
            _profile: profile,
        };
        // What it says later is read by somebody, so that it never waits.
        std::thread::spawn(move || lines.for_each(drop));
        let arguments = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            format!("--user-data-dir={}", browser._profile.path().display()),
        ]);
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" }, "timeouts": { "script": 30_000, "pageLoad": 30_000 },
        } } });
        let made = browser.ask("POST", "", &wanted);
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().expect("a session"));
        // Events of the focus come only to a window that has it.
        browser.command("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
        browser
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.answer(method, path, body);
        assert!(value["error"].is_null(), "{method} {path}: {}", value["message"]);
        value
    }

    /// An answer, or the error in its place.
    #[track_caller]
    fn answer(&self, method: &str, path: &str, body: &Value) -> Value {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(COMMAND))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let url = format!("{}{path}", self.session);
        let mut answer = match method {
            "GET" => agent.get(&url).call(),
            "DELETE" => agent.delete(&url).call(),
            _ => agent.post(&url).header("Content-Type", "application/json").send(body.to_string()),
        }
        .expect("an answer of ChromeDriver");
        let text = answer.body_mut().with_config().limit(256 << 20).read_to_string().expect("a text");
        let mut answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["value"].take()
    }

    /// A command of Chromium's own.
    #[track_caller]
    pub fn command(&self, name: &str, parameters: &Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", &json!({ "cmd": name, "params": parameters }))
    }

    /// Opens a page.
    #[track_caller]
    pub fn open(&self, path: &str) {
        self.ask("POST", "/url", &json!({ "url": format!("{}{path}", self.base) }));
    }

    /// Where it is now.
    pub fn path(&self) -> String {
        let url = self.ask("GET", "/url", &Value::Null);
        url.as_str().unwrap_or_default().strip_prefix(&self.base).unwrap_or_default().to_owned()
    }

    /// What a script returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a script hands to `done`. It is run again in the next page when its own page is left
    /// meanwhile. The driver does not always notice that a page was left, and then waits until its
    /// own time is up.
    #[track_caller]
    pub fn run_async(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {script}");
        let mut unnoticed = 0;
        loop {
            let value = self.answer("POST", "/execute/async", &json!({ "script": script, "args": [] }));
            let message = value["message"].as_str().unwrap_or_default();
            unnoticed += u32::from(message.starts_with("script timeout"));
            let was_left = message.contains("document unloaded") || message.starts_with("script timeout");
            if value["error"].is_null() || !was_left || unnoticed > 1 {
                assert!(value["error"].is_null(), "{message}");
                return value;
            }
        }
    }

    /// Waits until an expression of JavaScript is true, and returns it.
    #[track_caller]
    pub fn wait(&self, expression: &str) -> Value {
        if self.is_plain.get() {
            self.wait_across(expression);
            return Value::Bool(true);
        }
        let found = self.run_async(&format!(
            "const end = performance.now() + {WAIT};
             // Keys that come before a page was painted are lost. A page that nobody sees is never
             // painted.
             const shown = (found) => {{ let last = () => {{ last = () => {{}}; done(found); }}; requestAnimationFrame(() => requestAnimationFrame(() => last())); setTimeout(() => last(), 300); }};
             const look = () => {{
               let found = null;
               try {{ found = {expression}; }} catch (error) {{ found = null; }}
               if (found) shown(typeof found === 'object' ? true : found); else if (performance.now() > end) done('__late'); else setTimeout(look, 20);
             }};
             look();"
        ));
        let shown = || self.run("return document.querySelector('main')?.innerHTML.slice(0, 6000) ?? ''");
        assert!(found != "__late", "never: {expression}\n{}", shown());
        found
    }

    /// Waits until an expression is true, whatever pages come and go meanwhile, and whether or not
    /// they run scripts.
    #[track_caller]
    pub fn wait_across(&self, expression: &str) {
        let until = Instant::now() + Duration::from_millis(WAIT);
        while self.run(&format!("try {{ return Boolean({expression}) }} catch {{ return false }}")) != true {
            assert!(Instant::now() < until, "never: {expression}");
        }
    }

    /// The visible text of an element.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let text = self.run(&format!("return document.querySelector({})?.innerText ?? ''", json!(selector)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// How many elements there are.
    #[track_caller]
    pub fn count(&self, selector: &str) -> u64 {
        self.run(&format!("return document.querySelectorAll({}).length", json!(selector))).as_u64().unwrap_or(0)
    }

    /// An element, as soon as it is there: the page that has it may be on its way.
    #[track_caller]
    fn element(&self, selector: &str) -> String {
        self.wait_across(&format!("document.querySelector({})", json!(selector)));
        let found = self.ask("POST", "/element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        id.expect("an element").to_owned()
    }

    /// Clicks as a person would.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        // In the middle of the window nothing that sticks to its edges covers it.
        self.run(&format!("document.querySelector({})?.scrollIntoView({{ block: 'center' }})", json!(selector)));
        self.ask("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Types into a field, in the place of what is there.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.ask("POST", &format!("/element/{element}/clear"), &json!({}));
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses keys, wherever the focus is. A key that is no letter has the code of WebDriver.
    #[track_caller]
    pub fn press(&self, keys: &[&str]) {
        let downs = keys.iter().map(|key| json!({ "type": "keyDown", "value": key }));
        let ups = keys.iter().rev().map(|key| json!({ "type": "keyUp", "value": key }));
        let actions: Vec<Value> = downs.chain(ups).collect();
        self.ask("POST", "/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Shows pages that wide and high, dark or not.
    pub fn look(&self, width: u32, height: u32, dark: bool) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.command("Emulation.setEmulatedMedia", &features);
    }

    /// Lets pages run no script of their own, or lets them again.
    pub fn scripts(&self, allowed: bool) {
        self.is_plain.set(!allowed);
        self.command("Emulation.setScriptExecutionDisabled", &json!({ "value": !allowed }));
    }

    /// What the console has said since the last time but for what is only told: errors of scripts
    /// and of pages, and what the policy of the page has blocked.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let all = self.ask("POST", "/se/log", &json!({ "type": "browser" }));
        let bad = all.as_array().cloned().unwrap_or_default();
        let bad = bad.into_iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Nothing was said that is bad.
    #[track_caller]
    pub fn is_content(&self) {
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "{complaints:?}");
    }

    /// What makes a page scroll sideways, if it does.
    #[track_caller]
    pub fn sideways(&self) -> Vec<String> {
        let wide = self.run(
            "const e = document.documentElement;
             if (e.scrollWidth <= e.clientWidth) return [];
             const held = (x) => { for (let p = x.parentElement; p; p = p.parentElement) if (p.matches('details:not([open])') || getComputedStyle(p).overflowX !== 'visible') return true; return false; };
             const out = [...document.querySelectorAll('body *')].filter((x) => x.getBoundingClientRect().right > e.clientWidth + 1 && !held(x));
             return ['scrolls sideways'].concat(out.slice(0, 5).map((x) => x.outerHTML.slice(0, 200)))",
        );
        wide.as_array().into_iter().flatten().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A picture of the window.
    pub fn picture(&self) -> Vec<u8> {
        let picture = self.ask("GET", "/screenshot", &Value::Null);
        data_encoding::BASE64.decode(picture.as_str().unwrap_or_default().as_bytes()).expect("a picture")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.ask("DELETE", "", &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
