//! What the book says that the compiler refuses: the programs in `book/refused/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::run;

/// The first line of each program names the errors that it shall have.
pub fn what_does_not_compile_does_not_compile() {
    for program in run::files("book/refused", ".rs") {
        let source = fs::read_to_string(&program).expect("it is text");
        let first = source.lines().next().unwrap_or_default();
        let expected = first.strip_prefix("// ").unwrap_or_default().split(' ').collect::<Vec<_>>();
        let message = compile(&program);
        let (name, found) = (program.display(), codes(&message));
        let found = if found.is_empty() { vec!["nothing: it compiles"] } else { found };
        assert!(
            found == expected,
            "{name}: its first line names {expected:?}, and the compiler finds {found:?}\n{message}"
        );
    }
}

/// What the compiler says of each. Its words change with its versions: as long as the errors are the same, those that are
/// in the book stay.
pub fn messages() -> Vec<(String, String)> {
    let message = |program: PathBuf| {
        let name = program.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let shown = run::top().join(format!("book/src/generated/refused/{name}.txt"));
        let now = compile(&program);
        match fs::read_to_string(shown) {
            Ok(shown) if codes(&shown) == codes(&now) => (name, shown),
            _ => (name, now),
        }
    };
    run::files("book/refused", ".rs").into_iter().map(message).collect()
}

/// `E0382` of `error[E0382]: use of moved value`.
fn codes(message: &str) -> Vec<&str> {
    let code = |line: &'_ str| -> Option<usize> { line.strip_prefix("error[")?.find(']') };
    message.lines().filter_map(|line| code(line).map(|end| &line[6..6 + end])).collect()
}

/// The compiler's errors, without the sentences that count them.
fn compile(program: &Path) -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let name = program.file_name().expect("a file has a name");
    let output = Command::new(rustc)
        .args(["--edition", "2024", "--emit", "metadata", "--color", "never", "--out-dir"])
        // Not `-o /dev/null`: for a program that does compile, rustc would put a file in its place.
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .arg(name)
        .arg("--extern")
        .arg(format!("common={}", common().display()))
        .arg("-L")
        .arg(format!("dependency={}", dependencies().display()))
        .current_dir(program.parent().expect("it is in a folder"))
        .stdin(Stdio::null())
        .output()
        .expect("there is a compiler");
    let message = String::from_utf8_lossy(&output.stderr);
    let errors = message.split("\n\n").filter(|part| part.contains(" --> "));
    errors.map(without_library).collect::<Vec<_>>().join("\n\n")
}

/// Without notes on where the library defines something.
fn without_library(error: &str) -> String {
    let mut notes = error.split("note: ").map(str::trim_end);
    let first = notes.next().unwrap_or_default().trim_end_matches(['|', ' ', '\n']);
    let notes = notes.filter(|note| !note.contains("--> common/"));
    notes.fold(first.to_owned(), |all, note| all + "\nnote: " + note) + "\n"
}

/// The library that this test was linked with, or one as new.
fn common() -> PathBuf {
    let library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("libcommon-") && name.ends_with(".rlib")
    };
    let entries = fs::read_dir(dependencies()).expect("the folder is there");
    let libraries = entries.map(|entry| entry.expect("it can be listed").path()).filter(library);
    let built = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    libraries.max_by_key(built).expect("this test was linked with it")
}

fn dependencies() -> PathBuf {
    let this = env::current_exe().expect("/proc is there");
    this.parent().expect("it stands in target/PROFILE/deps").to_owned()
}
