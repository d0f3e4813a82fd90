//! The program that consumes with the official Go SDK.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::report::scratch;

/// Builds it; none where that is not possible, which is said.
pub(crate) fn build() -> Option<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/go");
    let program = scratch().join("consume-go");
    if !source.is_dir() || fs::create_dir_all(scratch()).is_err() {
        eprintln!("consume: no benches/go here: the Go SDK is left out");
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
            eprintln!("consume: go build ended with {status}: the Go SDK is left out");
            None
        }
        Err(error) => {
            eprintln!("consume: Go is not installed ({error}): its SDK is left out");
            None
        }
    }
}
