//! The pages as they are written: that nothing is typed in that can be included, and that every link leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use common::cli::Flags;
use common::finish::{Finish, FinishOrTimeout};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::generated::files_below;
use crate::run;

/// What each lesson has, in this order.
const SECTIONS: [&str; 8] =
    ["say", "code", "run", "picture", "predict", "why", "notes", "exercises"];

pub fn the_summary_lists_each_page_once() {
    let summary = Page::read(&folder().join("SUMMARY.md"));
    let mut listed: Vec<_> = summary.links().into_iter().map(|(_, link)| link).collect();
    let pages: BTreeSet<_> = pages().iter().map(Page::name).collect();
    listed.sort();
    let missing: Vec<_> = pages.iter().filter(|page| !listed.contains(page)).collect();
    assert!(missing.is_empty(), "no line in SUMMARY.md, so that nobody finds them: {missing:?}");
    assert_eq!(listed, pages.into_iter().collect::<Vec<_>>(), "in SUMMARY.md, and there");
}

pub fn each_include_finds_its_file_and_its_anchor() {
    each(|page, wrong| {
        for line in page.written.lines().filter(|line| line.contains("{{#")) {
            let trimmed = line.trim();
            let Some(include) = Include::parse(trimmed) else {
                wrong
                    .push(format!("not {{{{#include FILE:ANCHOR}}}} on a line of its own: {line}"));
                continue;
            };
            if let Err(error) = include.text(&page.path) {
                wrong.push(format!("{trimmed}: {error}"));
            }
        }
    });
}

/// In a block of Rust, Python or output there are included lines only, and the Rust is from files that Cargo or a test
/// compiles. `console` is for commands, which other tests look at. There is no other block: in one without a language, or
/// of `rs`, anything could be typed.
pub fn code_and_output_are_included_and_not_typed() {
    each(|page, wrong| {
        for (language, text) in page.blocks() {
            let language = language.split(',').next().unwrap_or_default();
            if language == "console" {
                continue;
            }
            if !["rust", "python", "text"].contains(&language) {
                wrong.push(format!(
                    "a block of {language:?}, to be rust, python, text or console: {}",
                    text.lines().next().unwrap_or_default()
                ));
                continue;
            }
            for line in text.lines() {
                match Include::parse(line) {
                    None => wrong.push(format!("typed {language}, to be included: {line}")),
                    Some(include) if language == "rust" && !include.is_compiled() => {
                        wrong.push(format!("nothing compiles {}", include.file))
                    }
                    Some(_) => {}
                }
            }
        }
    });
}

pub fn each_link_leads_somewhere() {
    let pages = pages();
    each(|page, wrong| {
        for (_, link) in page.links() {
            if link.starts_with("https://") {
                continue;
            }
            if let Some(file) = link.strip_prefix("../../") {
                if !run::top().join(file).exists() {
                    wrong.push(format!("no file {file}"));
                }
                continue;
            }
            let (file, id) = link.split_once('#').unwrap_or((&link, ""));
            let name = if file.is_empty() { page.name() } else { file.to_owned() };
            match pages.iter().find(|page| page.name() == name) {
                None => wrong.push(format!("no page {name}: {link}")),
                Some(target) if !id.is_empty() && !target.ids().contains(&id.to_owned()) => {
                    wrong.push(format!("no {{#{id}}} in {name}: {link}"))
                }
                Some(_) => {}
            }
        }
    });
}

/// A path in code type, such as `common/src/pool/mod.rs`, and the packages, examples and scripts of commands.
pub fn each_path_and_package_that_is_named_exists() {
    let top = run::top();
    each_of(with_readme(), |page, wrong| {
        for line in page.commands() {
            let mut words = line.split_whitespace().peekable();
            while let Some(word) = words.next() {
                let next = words.peek().copied().unwrap_or_default();
                let there = match word {
                    "-p" if line.contains("cargo ") => ["", "common/"]
                        .iter()
                        .any(|folder| top.join(format!("{folder}{next}/Cargo.toml")).exists()),
                    "--example" => top.join(format!("common/examples/{next}.rs")).exists(),
                    "python3" if next.ends_with(".py") => top.join(next).exists(),
                    _ => true,
                };
                if !there {
                    wrong.push(format!("no {next}: {line}"));
                }
            }
        }
        for code in page.code_spans() {
            let first = code.split('/').next().unwrap_or_default();
            let is_path = code.contains('/')
                && !code.contains(|c: char| c.is_whitespace() || "*…<>{}NX".contains(c))
                && (first == "common" || first == "book" || first.starts_with("lesson0"));
            if is_path && !top.join(&code).exists() {
                wrong.push(format!("no file {code}"));
            }
        }
    });
}

/// What comes after `--` is for the lesson: its own parser takes it.
pub fn each_flag_of_a_lesson_is_one_that_it_takes() {
    let ran = std::cell::Cell::new(0);
    each_of(with_readme(), |page, wrong| {
        for command in page.commands() {
            let Some((_, arguments)) = command.split_once("cargo run -p lesson") else { continue };
            let words = arguments.split_whitespace().take_while(|word| !word.starts_with('#'));
            let words = words.collect::<Vec<_>>();
            let lesson = format!("lesson{}", words.first().copied().unwrap_or_default());
            let flags = words.into_iter().skip_while(|word| *word != "--").skip(1);
            ran.set(ran.get() + 1);
            let parsed = parser(&lesson).try_get_matches_from(["lesson"].into_iter().chain(flags));
            if let Err(error) = parsed {
                let error = error.to_string();
                let reason = error.lines().next().unwrap_or_default();
                wrong.push(format!("{lesson} refuses its flags, {reason}: {}", command.trim()));
            }
        }
    });
    assert!(ran.get() > 10, "the pages run lessons {} times only: is this how?", ran.get());
}

/// The flags that all lessons have, and those that this one's main asks for besides.
fn parser(lesson: &str) -> Command {
    let main = run::top().join(lesson).join("src/main.rs");
    let main = fs::read_to_string(main).unwrap_or_default();
    // A lesson has its own defaults for what is required here.
    let common = Flags::augment_args(Command::new("lesson")).mut_args(|arg| arg.required(false));
    if main.contains("FinishOrTimeout {") {
        FinishOrTimeout::augment_args(common)
    } else if main.contains("Finish {") {
        Finish::augment_args(common)
    } else {
        common
    }
}

/// The tests that commands choose, and names of functions in code type: `promise_1::a_worker_that_…`.
pub fn each_test_that_is_named_exists() {
    let names = Names::of(&run::top());
    each_of(with_readme(), |page, wrong| {
        for command in page.commands() {
            let Some((_, arguments)) = command.split_once("cargo test ") else { continue };
            let words = arguments.split_whitespace().take_while(|word| !word.starts_with('#'));
            let mut words = words.collect::<Vec<_>>().into_iter();
            let (mut package, mut target, mut name) = ("", "", "");
            while let Some(word) = words.next() {
                match word {
                    "-p" => package = words.next().unwrap_or_default(),
                    "--test" => target = words.next().unwrap_or_default(),
                    word if !word.starts_with('-') && word != "NAME" => name = word,
                    _ => {}
                }
            }
            if !names.exists(package, target, name) {
                wrong.push(format!("no such test: cargo test {arguments}"));
            }
        }
        for code in page.code_spans() {
            let name = code.rsplit("::").next().unwrap_or_default();
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let is_long = name.matches('_').count() >= 3 && name.chars().all(is_name);
            if is_long && !names.exists("", "", &code) {
                wrong.push(format!("nothing is called {code}"));
            }
        }
    });
}

/// The functions of the workspace, and the exercises.
struct Names(Vec<(PathBuf, String)>);

impl Names {
    fn of(top: &Path) -> Names {
        let folders = run::lessons().into_iter().chain(["common".to_owned()]);
        let files = folders.flat_map(|folder| {
            files_below(&top.join(&folder))
                .into_iter()
                .map(move |(path, text)| (Path::new(&folder).join(path), text))
        });
        let mut names = Vec::new();
        for (path, text) in files {
            let module = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            for line in text.lines() {
                let line = line.trim_start();
                let line = line.strip_prefix("pub ").unwrap_or(line);
                let rest = line.strip_prefix("fn ").or_else(|| line.strip_prefix("def "));
                if let Some(name) = rest.and_then(|rest| rest.split(['(', '<']).next()) {
                    names.push((path.clone(), format!("{module}::{name}")));
                }
            }
            names.push((path, module));
        }
        Names(names)
    }

    /// Whether a name that this is a part of is in the package, and there in the test target. What is empty, is any.
    fn exists(&self, package: &str, target: &str, part: &str) -> bool {
        let tests = Path::new(package).join("tests");
        let file = tests.join(format!("{target}.rs"));
        self.0.iter().any(|(path, name)| {
            let there = target.is_empty() && path.starts_with(package)
                || path.starts_with(tests.join(target))
                || *path == file;
            there && name.contains(part)
        })
    }
}

/// Four spaces begin code, but not in the middle of a paragraph, whose lines are joined.
pub fn what_is_indented_is_code() {
    each(|page, wrong| {
        let text = page.expanded();
        for (event, range) in events(&text) {
            let Event::Start(Tag::Paragraph) = event else { continue };
            let indented = text[range].lines().skip(1).find(|line| line.starts_with("    "));
            wrong.extend(indented.map(|line| format!("in a paragraph: {line}")));
        }
    });
}

pub fn each_heading_has_an_id_of_its_own() {
    each(|page, wrong| {
        let mut ids = BTreeSet::new();
        let mut titles = 0;
        for (level, id, text) in page.headings() {
            titles += usize::from(level == HeadingLevel::H1);
            match id {
                None => wrong.push(format!("no {{#id}} at the heading {text}")),
                Some(id) if !ids.insert(id.clone()) => {
                    wrong.push(format!("two headings {{#{id}}}"))
                }
                Some(_) => {}
            }
        }
        if titles != 1 {
            wrong.push(format!("{titles} titles"));
        }
    });
}

pub fn each_lesson_keeps_the_order_of_its_sections() {
    let lessons: Vec<_> =
        pages().into_iter().filter(|page| page.name().starts_with("lesson")).collect();
    assert_eq!(lessons.len(), 5);
    for page in lessons {
        let headings = page.headings().into_iter();
        let ids =
            headings.filter(|(level, ..)| *level == HeadingLevel::H2).filter_map(|(_, id, _)| id);
        assert_eq!(ids.collect::<Vec<_>>(), SECTIONS, "{}", page.name());
    }
}

/// The Rust in a hint is not included from anywhere: each of its lines is one of the solution, which compiles.
pub fn each_line_of_code_in_a_hint_is_in_the_solution() {
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    for lesson in run::lessons() {
        for path in run::files(&format!("{lesson}/hints"), ".md") {
            let name = path.file_stem().expect("a file has a name").to_string_lossy();
            let solution = run::top().join(format!("{lesson}/solutions/{name}.rs"));
            let solution = dense(&fs::read_to_string(solution).expect("it is text"));
            for (language, text) in Page::read(&path).blocks() {
                for line in text.lines().filter(|_| language.starts_with("rust")) {
                    assert!(solution.contains(&dense(line)), "{lesson}/hints/{name}.md: {line}");
                }
            }
        }
    }
}

/// Fails with all that is wrong on any page.
fn each(check: impl Fn(&Page, &mut Vec<String>)) {
    each_of(pages(), check);
}

fn each_of(pages: Vec<Page>, check: impl Fn(&Page, &mut Vec<String>)) {
    let mut all = Vec::new();
    for page in pages {
        let mut wrong = Vec::new();
        check(&page, &mut wrong);
        all.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", page.name())));
    }
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

fn folder() -> PathBuf {
    run::top().join("book/src")
}

fn pages() -> Vec<Page> {
    let pages = run::files("book/src", ".md").into_iter();
    pages.filter(|path| !path.ends_with("SUMMARY.md")).map(|path| Page::read(&path)).collect()
}

/// The README is no page of the book, but its commands are run as well.
fn with_readme() -> Vec<Page> {
    let readme = Page::read(&run::top().join("README.md"));
    pages().into_iter().chain([readme]).collect()
}

/// A page as it is written.
struct Page {
    path: PathBuf,
    written: String,
}

impl Page {
    fn read(path: &Path) -> Page {
        let written =
            fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Page { path: path.to_owned(), written }
    }

    fn name(&self) -> String {
        self.path.file_name().expect("a file has a name").to_string_lossy().into_owned()
    }

    /// With what it includes.
    fn expanded(&self) -> String {
        let line = |line: &str| match Include::parse(line.trim()) {
            Some(include) => include.text(&self.path).unwrap_or_default(),
            None => line.to_owned(),
        };
        self.written.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    fn blocks(&self) -> Vec<(String, String)> {
        let mut blocks = Vec::<(String, String)>::new();
        let mut inside = false;
        for (event, _) in events(&self.written) {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    blocks.push((language, String::new()));
                    inside = true;
                }
                Event::Text(text) if inside => {
                    blocks.last_mut().expect("it is inside of one").1 += &text;
                }
                Event::End(TagEnd::CodeBlock) => inside = false,
                _ => {}
            }
        }
        blocks
    }

    /// Texts and targets, those in HTML included.
    fn links(&self) -> Vec<(String, String)> {
        let text = self.expanded();
        let mut links = Vec::new();
        for (event, range) in events(&text) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    links.push((text[range].to_owned(), dest_url.into_string()));
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    for attribute in [" href=\"", " src=\""] {
                        let values =
                            html.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
                        links.extend(values.map(|value| (html.to_string(), value.to_owned())));
                    }
                }
                _ => {}
            }
        }
        links
    }

    /// The lines of blocks and HTML, and what is in code type in a text, where a command may go on in the next line.
    fn commands(&self) -> Vec<String> {
        let text = self.expanded();
        let mut lines = Vec::new();
        for (event, _) in events(&text) {
            match event {
                Event::Code(code) => lines.push(code.into_string()),
                Event::Text(text) | Event::Html(text) => {
                    let parts = text.split(['\n', '<', '>']);
                    lines.extend(parts.map(str::to_owned));
                }
                _ => {}
            }
        }
        lines.retain(|line| line.contains("cargo ") || line.contains("python3 "));
        lines
    }

    fn code_spans(&self) -> Vec<String> {
        let code = |(event, _)| match event {
            Event::Code(code) => Some(CowStr::into_string(code)),
            _ => None,
        };
        events(&self.written).into_iter().filter_map(code).collect()
    }

    fn headings(&self) -> Vec<(HeadingLevel, Option<String>, String)> {
        let text = self.expanded();
        let heading = |(event, range): (Event, Range<usize>)| match event {
            Event::Start(Tag::Heading { level, id, .. }) => {
                Some((level, id.map(CowStr::into_string), text[range].trim().to_owned()))
            }
            _ => None,
        };
        events(&text).into_iter().filter_map(heading).collect()
    }

    /// What a link can lead to: headings, and HTML with an id.
    fn ids(&self) -> Vec<String> {
        let text = self.expanded();
        let html = text.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let html = html.map(str::to_owned).collect::<Vec<_>>();
        self.headings().into_iter().filter_map(|(_, id, _)| id).chain(html).collect()
    }
}

/// As mdBook reads Markdown.
fn events(text: &str) -> Vec<(Event<'_>, Range<usize>)> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_GFM;
    Parser::new_ext(text, options).into_offset_iter().collect()
}

/// `{{#include FILE:ANCHOR}}`
struct Include {
    file: String,
    anchor: Option<String>,
}

impl Include {
    fn parse(line: &str) -> Option<Include> {
        let path = line.strip_prefix("{{#include ")?.strip_suffix("}}")?;
        let (file, anchor) = match path.split_once(':') {
            Some((file, anchor)) => (file, Some(anchor.to_owned())),
            None => (path, None),
        };
        (!path.contains("{{")).then(|| Include { file: file.to_owned(), anchor })
    }

    /// As mdBook does it, which shows nothing where an anchor is missing.
    fn text(&self, page: &Path) -> Result<String, String> {
        let path = page.parent().expect("a page is in a folder").join(&self.file);
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let Some(anchor) = &self.anchor else {
            return Ok(text);
        };
        if anchor.starts_with(|c: char| c.is_ascii_digit() || c == ':') {
            return Err("by line numbers, which change".to_owned());
        }
        let is = |line: &str, mark: &str| {
            let after = line.split_once(mark).map(|(_, name)| name.trim());
            after.is_some_and(|name| name.split_whitespace().next() == Some(anchor))
        };
        let mut lines = text.lines();
        let from = lines.by_ref().position(|line| is(line, "ANCHOR:"));
        from.ok_or_else(|| format!("no ANCHOR: {anchor}"))?;
        let mut shown = String::new();
        for line in lines {
            if is(line, "ANCHOR_END:") {
                return match shown.trim() {
                    "" => Err("there is nothing".to_owned()),
                    _ => Ok(shown),
                };
            }
            if !line.contains("ANCHOR:") && !line.contains("ANCHOR_END:") {
                shown += line;
                shown += "\n";
            }
        }
        Err(format!("no ANCHOR_END: {anchor}"))
    }

    /// By Cargo, as part of a target, or by the test of what is refused.
    fn is_compiled(&self) -> bool {
        let file = self.file.trim_start_matches("../");
        let package = file.split('/').next().unwrap_or_default();
        let rust = file.ends_with(".rs") && self.file.starts_with("../");
        rust && (package == "common"
            || package.starts_with("lesson0")
            || self.file.starts_with("../refused/"))
    }
}
