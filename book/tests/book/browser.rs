//! The book as it is read: built by mdBook, shown by Chromium at the widths of a phone and of a desk, light and dark.
//!
//! The screenshots are in `target/book/`, for whoever wants to look.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::harness::{Test, tests};
use serde_json::{Value, json};

use crate::pipe::Chromium;
use crate::run;

/// The environment variable that makes these tests fail, instead of being ignored, where there is no mdBook or no Chromium.
const REQUIRE: &str = "COURSE_REQUIRE_BOOK";

pub fn tests() -> Vec<Test> {
    let tests = tests![the_pages_can_be_read, search_and_keys_work];
    // The runner has decided before it starts a test's process.
    let decided = env::args().nth(1).as_deref() == Some("--keep");
    let reason = match (env::var_os(REQUIRE).is_some() || decided, mdbook(), chromium()) {
        (true, ..) | (_, Some(_), Some(_)) => None,
        (_, None, _) => Some("no mdbook 0.5"),
        (_, _, None) => Some("no chromium"),
    };
    let limit = Duration::from_secs(300);
    tests
        .into_iter()
        .map(|test| test.within(limit))
        .map(|test| match reason {
            Some(reason) => test.ignored(reason),
            None => test,
        })
        .collect()
}

fn the_pages_can_be_read() {
    let book = Built::new("pages");
    let mut chromium = book.chromium();
    for method in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
        chromium.ask(method, json!({}));
    }
    let mut wrong = Vec::new();
    for width in [390, 1400] {
        for scheme in ["light", "dark"] {
            let metrics =
                json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
            chromium.ask("Emulation.setDeviceMetricsOverride", metrics);
            let feature = json!([{"name": "prefers-color-scheme", "value": scheme}]);
            chromium.ask("Emulation.setEmulatedMedia", json!({"features": feature}));
            for page in book.pages() {
                let name = page.file_stem().expect("a file has a name").to_string_lossy();
                let here = format!("{name} {width} {scheme}");
                open(&mut chromium, &page, |trouble| wrong.push(format!("{here}: {trouble}")));
                wrong.extend(look(&mut chromium).map(|trouble| format!("{here}: {trouble}")));
                book.screenshot(&mut chromium, &format!("{name}-{width}-{scheme}.png"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn search_and_keys_work() {
    let book = Built::new("keys");
    let mut chromium = book.chromium();
    chromium.ask("Page.enable", json!({}));
    let first = book.page("lesson2");
    open(&mut chromium, &first, |_| ());

    // There are pictures and folds to be judged: that a picture has words is asked of each page.
    let count = |chromium: &mut Chromium, selector: &str| {
        let script = format!("document.querySelectorAll({}).length", json!(selector));
        chromium.evaluate(&script).as_u64().expect("a length is a number")
    };
    assert!(count(&mut chromium, "svg.lanes") > 0, "no picture in lesson 2");
    assert!(count(&mut chromium, "details > summary") > 0, "no fold in lesson 2");

    // The key for the search, a word, and there is something to choose.
    key(&mut chromium, "s");
    chromium.ask("Input.insertText", json!({"text": "imap_unordered"}));
    // The index may have been loaded before the word was there: then a key makes the page look for it.
    key(&mut chromium, "Shift");
    let found = "new Promise((found, nothing) => { const look = tries => {
        const links = document.querySelectorAll('#mdbook-searchresults a, #searchresults a');
        if (links.length) found(links.length);
        else if (tries) setTimeout(look, 50, tries - 1);
        else nothing('the search found nothing');
    }; look(1200) })";
    assert!(chromium.evaluate(found).as_u64() > Some(0));
    chromium.evaluate("document.activeElement.blur()");

    // To the next page and back.
    for (arrow, to) in [("ArrowRight", "lesson3"), ("ArrowLeft", "lesson2")] {
        key(&mut chromium, arrow);
        // A key that does nothing loads nothing: so the page is asked, and not waited for.
        let loaded =
            "performance.getEntriesByType('navigation')[0].loadEventEnd ? location.href : ''";
        let mut url = Value::Null;
        let arrived = (0..1200).any(|_| {
            thread::sleep(Duration::from_millis(50));
            url = chromium.evaluate(loaded);
            url.as_str().is_some_and(|url| url.ends_with(&format!("{to}.html")))
        });
        assert!(arrived, "{arrow} led to {url} and not to {to}");
        chromium.events().for_each(drop);
    }

    // Printed, the whole book is there, with what is folded.
    open(&mut chromium, &book.page("print"), |_| ());
    chromium.ask("Emulation.setEmulatedMedia", json!({"media": "print"}));
    let hidden = chromium.evaluate(HIDDEN);
    assert_eq!(hidden, json!([]), "not on paper");
    let printed = chromium.ask("Page.printToPDF", json!({"preferCSSPageSize": true}));
    let pdf = BASE64_STANDARD.decode(printed["data"].as_str().expect("it is text"));
    let pdf = pdf.expect("it is base64");
    assert!(pdf.starts_with(b"%PDF"));
    fs::write(book.pictures.join("book.pdf"), pdf).expect("it can be written");
}

fn key(chromium: &mut Chromium, key: &str) {
    for kind in ["keyDown", "keyUp"] {
        let mut event = json!({"type": kind, "key": key, "code": key});
        if key.len() == 1 {
            event["code"] = json!(format!("Key{}", key.to_uppercase()));
        }
        chromium.ask("Input.dispatchKeyEvent", event);
    }
}

/// Opens a page, and tells what went wrong meanwhile: errors and warnings on the console, and requests that leave the machine.
fn open(chromium: &mut Chromium, page: &Path, mut wrong: impl FnMut(String)) {
    let mut judge = |event: &Value| {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Log.entryAdded") if params["entry"]["level"] != "verbose" => {
                wrong(format!("log: {}", params["entry"]["text"]))
            }
            Some("Runtime.consoleAPICalled")
                if params["type"] == "error" || params["type"] == "warning" =>
            {
                wrong(format!("console: {}", params["args"]))
            }
            Some("Runtime.exceptionThrown") => wrong(format!(
                "exception: {}",
                params["exceptionDetails"]["exception"]["description"]
            )),
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                if !["file:", "data:", "blob:", "about:"].iter().any(|here| url.starts_with(here)) {
                    wrong(format!("a request leaves the machine: {url}"))
                }
            }
            _ => {}
        }
    };
    let opened =
        chromium.ask("Page.navigate", json!({"url": format!("file://{}", page.display())}));
    assert!(opened["errorText"].is_null(), "{}: {opened}", page.display());
    chromium.until("Page.loadEventFired", &mut judge);
    // Two frames later the scripts that wait for the page have run.
    chromium.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))",
    );
    chromium.events().for_each(|event| judge(&event));
}

/// What is wrong with the page that is shown.
fn look(chromium: &mut Chromium) -> impl Iterator<Item = String> + use<> {
    let wide = chromium.evaluate(WIDE);
    let wide = (wide != json!([])).then(|| format!("wider than the window: {wide}"));
    // Text that can hardly be told from what is behind it.
    let faint = chromium.evaluate(CONTRAST);
    let faint = (faint != json!([])).then(|| format!("hard to read: {faint}"));
    let dumb = chromium.evaluate(DUMB);
    let dumb = (dumb != json!([])).then(|| format!("a picture without words: {dumb}"));
    wide.into_iter().chain(faint).chain(dumb)
}

/// What stands out of the window. mdBook's page scrolls in itself, so that the document is never wider; code and tables may
/// scroll in their own frames.
const WIDE: &str = r#"[...document.querySelectorAll('main *')]
    .filter(e => !e.closest('pre, svg, .table-wrapper') || e.matches('pre, svg, .table-wrapper'))
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.tagName + ' ' + e.textContent.slice(0, 40)).slice(0, 3)"#;

/// The pictures that say nothing to who cannot see them: an image needs an `alt`, a drawing a `title` and a `desc`.
const DUMB: &str = r#"[...document.querySelectorAll('main img, main figure svg, main svg.lanes')]
    .filter(e => e.matches('img') ? !e.alt.trim() : ['title', 'desc']
        .some(part => !e.querySelector(':scope > ' + part)?.textContent.trim()))
    .map(e => e.matches('img') ? 'no alt: ' + e.getAttribute('src')
        : 'no title or no desc: ' + e.closest('figure')?.textContent.trim().slice(0, 40)).slice(0, 3)"#;

/// What is not printed: of the text, of code, and of what folds hide.
const HIDDEN: &str = r#"[...document.querySelectorAll('main :is(p, li, pre, table, svg.lanes)')]
    .filter(e => !e.checkVisibility())
    .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40)).slice(0, 3)"#;

/// The texts in the page whose contrast is below 3 to 1: of code, headings and sentences.
const CONTRAST: &str = r#"(() => {
    const parse = colour => (colour.match(/[\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = parse(getComputedStyle(e).backgroundColor);
            if (colour.length >= 3 && (colour[3] ?? 1) > 0.9) return colour;
        }
        return [255, 255, 255];
    };
    const faint = new Set();
    for (const e of document.querySelectorAll('main p, main li, main td, main th, main figcaption, main summary, main h1, main h2, main pre code, main pre code span')) {
        if (!e.innerText?.trim() || !e.getClientRects().length) continue;
        const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 3) faint.add(`${contrast.toFixed(1)} to 1, ${e.tagName}.${e.className}: ${e.innerText.trim().slice(0, 40)}`);
    }
    return [...faint].slice(0, 5);
})()"#;

/// The book in a folder of its own.
struct Built {
    html: PathBuf,
    profile: PathBuf,
    pictures: PathBuf,
}

impl Built {
    /// Builds it, and takes a warning for an error.
    fn new(name: &str) -> Built {
        let mdbook = mdbook().expect("install it: cargo install --locked mdbook@0.5.4");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("book-{name}"));
        _ = fs::remove_dir_all(&folder);
        let (html, profile) = (folder.join("html"), folder.join("profile"));
        let pictures = folder.join("pictures");
        fs::create_dir_all(&pictures).expect("a folder");
        let output = Command::new(mdbook)
            .arg("build")
            .arg("--dest-dir")
            .arg(&html)
            .arg(run::top().join("book"))
            .stdin(Stdio::null())
            .output()
            .expect("mdbook can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        let warned = said.contains("WARN") || said.contains("ERROR");
        assert!(output.status.success() && !warned, "mdbook: {}\n{said}", output.status);
        Built { html, profile, pictures }
    }

    fn chromium(&self) -> Chromium {
        let program = chromium().expect("install it: apt-get install chromium");
        Chromium::start(&program, &self.profile)
    }

    fn page(&self, name: &str) -> PathBuf {
        self.html.join(format!("{name}.html"))
    }

    /// Those of the summary. The others are copies.
    fn pages(&self) -> Vec<PathBuf> {
        let pages = run::files("book/src", ".md").into_iter();
        let names = pages.map(|page| {
            page.file_stem().expect("a file has a name").to_string_lossy().into_owned()
        });
        names.filter(|name| name != "SUMMARY").map(|name| self.page(&name)).collect()
    }

    fn screenshot(&self, chromium: &mut Chromium, name: &str) {
        let params = json!({"captureBeyondViewport": true});
        let shot = chromium.ask("Page.captureScreenshot", params);
        let png = BASE64_STANDARD.decode(shot["data"].as_str().expect("it is text"));
        fs::write(self.pictures.join(name), png.expect("it is base64")).expect("it can be written");
    }
}

fn mdbook() -> Option<PathBuf> {
    let candidates = env::var_os("PATH")?;
    let program =
        env::split_paths(&candidates).map(|folder| folder.join("mdbook")).find(|p| p.is_file())?;
    let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).contains("v0.5.").then_some(program)
}

fn chromium() -> Option<String> {
    let folders = env::var_os("PATH")?;
    let is_there =
        |name: &&str| env::split_paths(&folders).any(|folder| folder.join(name).is_file());
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .find(|name| is_there(name))
        .map(|name| name.to_string())
}
