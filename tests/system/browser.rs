//! A real headless Chromium, driven by its own driver over the WebDriver protocol, which is JSON over HTTP on the
//! loopback: so no library of the browser's is needed. What WebDriver has no word for is said in the DevTools'. Both
//! processes end when it is dropped. Start with [`Browser::start`].

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// How WebDriver names an element in its answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

/// How somebody looks.
#[derive(Clone, Copy)]
pub struct Screen {
    pub width: u32,
    pub height: u32,
    pub is_dark: bool,
    /// Pixels of the picture for one of the page.
    pub scale: u32,
}

pub const DESKTOP: Screen = Screen { width: 1280, height: 900, is_dark: false, scale: 1 };
pub const PHONE: Screen = Screen { width: 390, height: 844, is_dark: false, scale: 2 };
pub const SMALLEST: Screen = Screen { width: 320, height: 568, is_dark: false, scale: 1 };

impl Browser {
    /// `languages`: what it tells servers that it prefers.
    pub fn start(languages: &str) -> Browser {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("tests/system/page.sh has installed chromium-driver");
        let mut lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let said = lines.find_map(|line| {
            let line = line.expect("it says where it listens");
            line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok()
        });
        let port = said.expect("the driver starts");
        let profile = TempDir::with_prefix("sluse-browser-").expect("a temporary directory can be made");
        let mut browser = Browser { driver, port, session: String::new(), _profile: profile };
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--user-data-dir={}", browser._profile.path().display()),
        ];
        let options = json!({ "args": arguments, "prefs": { "intl.accept_languages": languages } });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let session = browser.call("POST", "", &wanted);
        browser.session = format!("/{}", session["sessionId"].as_str().expect("a session has a name"));
        browser
    }

    /// Takes this for its screen from now on.
    pub fn look_through(&self, screen: Screen) {
        let Screen { width, height, is_dark, scale } = screen;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 700 });
        self.tools("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Whether pages may run scripts, from the next one on.
    pub fn let_scripts_run(&self, may: bool) {
        self.tools("Emulation.setScriptExecutionDisabled", &json!({ "value": !may }));
    }

    pub fn go(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    /// The value of some JavaScript, run in the page as a person at its console would.
    pub fn ask(&self, expression: &str) -> Value {
        let arguments = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let said = self.tools("Runtime.evaluate", &arguments);
        assert!(said.get("exceptionDetails").is_none(), "{expression}: {said}");
        said["result"]["value"].clone()
    }

    /// The text of the elements that a selector finds.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let found = self.call("POST", "/elements", &json!({ "using": "css selector", "value": selector }));
        let elements =
            found.as_array().expect("a list").iter().map(|element| element[ELEMENT].as_str().expect("a name"));
        let text = |element: &str| self.call("GET", &format!("/element/{element}/text"), &Value::Null);
        elements.map(|element| text(element).as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Presses a key, by WebDriver's character for it.
    pub fn press(&self, key: char) {
        let actions = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.call("POST", "/actions", &json!({ "actions": [keyboard] }));
    }

    /// What a screen reader is given: role and name of each node, in their order.
    pub fn accessibility_tree(&self) -> Vec<(String, String)> {
        let tree = self.tools("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().expect("a list").iter().filter(|node| node["ignored"] != true);
        let text = |node: &Value, what: &str| node[what]["value"].as_str().unwrap_or_default().to_owned();
        nodes.map(|node| (text(node, "role"), text(node, "name"))).collect()
    }

    /// Writes a picture of the screen, or of the whole page.
    pub fn picture(&self, path: &Path, whole: bool) {
        let taken = self.tools("Page.captureScreenshot", &json!({ "format": "png", "captureBeyondViewport": whole }));
        let bytes = from_base64(taken["data"].as_str().expect("a picture"));
        std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("the folder can be made");
        std::fs::write(path, bytes).expect("the folder is ours");
    }

    /// A command of the DevTools.
    fn tools(&self, command: &str, arguments: &Value) -> Value {
        self.call("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": arguments }))
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the driver listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it is a socket");
        let request = format!(
            "{method} /session{}{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.session,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("the driver listens");
        // It keeps the connection, whatever it was asked for.
        let mut from = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while from.read_line(&mut line).expect("the driver answers") > 2 {
            let header = line.trim().to_ascii_lowercase();
            length =
                header.strip_prefix("content-length:").map_or(length, |said| said.trim().parse().expect("a number"));
            line.clear();
        }
        let mut json = vec![0; length];
        from.read_exact(&mut json).expect("the driver answers");
        let answer: Value = serde_json::from_slice(&json).expect("WebDriver speaks JSON");
        assert!(answer["value"].get("error").is_none(), "{method} {path}: {}", answer["value"]);
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Also of a test that has failed: nothing is to be left running, and nothing more to be said of it.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = write!(stream, "DELETE /session{} HTTP/1.1\r\nHost: localhost\r\n\r\n", self.session);
            // Its answer comes when the browser has ended.
            let _ = stream.read(&mut [0; 1]);
        }
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.driver),
            rustix::process::Signal::TERM,
        );
        let _ = self.driver.wait();
    }
}

/// RFC 4648, as the DevTools write it.
fn from_base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3), 0u32, 0);
    for digit in text.bytes().filter(|byte| *byte != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => panic!("{other} is no digit of base64"),
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}
