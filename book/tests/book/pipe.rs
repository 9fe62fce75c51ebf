//! Chromium without a window, spoken to by the DevTools protocol: messages in JSON, each with a zero byte at its end,
//! through the descriptors 3 and 4.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

pub struct Chromium {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    /// What it told on its own, and nobody has read.
    events: VecDeque<Value>,
}

impl Chromium {
    /// Starts it with a page that is empty. What it keeps, it keeps in `profile`.
    pub fn start(program: &str, profile: &Path) -> Chromium {
        // The shell gives its standard streams the numbers that Chromium wants.
        let script = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;
        let mut child = Command::new("sh")
            .args(["-c", script, program])
            .args(["--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
            ])
            .args(["--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut chromium =
            Chromium { child, to, from, session: None, last: 0, events: VecDeque::new() };
        let target = chromium.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = chromium.ask("Target.attachToTarget", attach);
        chromium.session = session["sessionId"].as_str().map(str::to_owned);
        chromium
    }

    /// Calls a method and returns its result.
    ///
    /// # Panics
    ///
    /// If the answer is an error.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let to = self.to.as_mut().expect("it is open until the end");
        to.write_all(format!("{message}\0").as_bytes()).expect("Chromium reads");
        loop {
            let mut message = self.receive();
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
            self.events.push_back(message);
        }
    }

    /// What a JavaScript expression is, after the promise that it may be.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.ask("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// The next event with this name; those before it are read, too, and `seen` by the caller.
    pub fn until(&mut self, method: &str, mut seen: impl FnMut(&Value)) {
        loop {
            let event = self.events.pop_front().unwrap_or_else(|| self.receive());
            seen(&event);
            if event["method"] == method {
                return;
            }
        }
    }

    /// All events that have come.
    pub fn events(&mut self) -> impl Iterator<Item = Value> {
        self.events.drain(..)
    }

    fn receive(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).expect("it can be read");
        assert_eq!(message.pop(), Some(0), "Chromium has ended: {:?}", self.child.try_wait());
        serde_json::from_slice(&message).expect("it is JSON")
    }
}

/// Chromium ends when it can read no more commands.
impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.to.take());
        _ = self.child.wait();
    }
}
