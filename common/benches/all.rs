//! `cargo bench -p common`: runs the benches beside this file, which are a package of their own.
//!
//! That package, and not this one, depends on criterion. Otherwise `cargo test` would have to compile
//! it, too: what a package's benches need, its tests must wait for.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

fn main() {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["bench", "--package", "benches"]);
    if cfg!(feature = "lapack") {
        cargo.args(["--features", "lapack"]);
    }
    // Cargo adds `--bench` itself.
    cargo.arg("--").args(env::args_os().skip(1).filter(|argument| argument != "--bench"));
    let error = cargo.exec(); // it returns only if it failed
    panic!("{cargo:?}: {error}");
}
