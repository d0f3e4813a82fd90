//! The program that consumes with the official Go SDK.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::report::scratch;

/// Builds the program. If that is not possible, prints the reason and returns `None`.
pub(crate) fn build() -> Option<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/go");
    let program = scratch().join("consume-go");
    if !source.is_dir() || fs::create_dir_all(scratch()).is_err() {
        eprintln!("consume: benches/go is missing, skipping the Go SDK");
        return None;
    }
    let built = Command::new("go")
        .args(["build", "-mod=readonly", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .stdin(Stdio::null())
        .status();
    match built {
        Ok(status) if status.success() => Some(program),
        Ok(status) => {
            eprintln!("consume: go build failed with {status}, skipping the Go SDK");
            None
        }
        Err(error) => {
            eprintln!("consume: Go is not installed ({error}), skipping the Go SDK");
            None
        }
    }
}
