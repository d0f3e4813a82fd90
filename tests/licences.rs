//! Tests that every dependency has a licence allowed by `deny.toml` and comes from
//! crates.io.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn every_dependency_has_an_allowed_licence() {
    let allowed = allowed();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 50, "too few packages: {}", packages.len());
    for package in packages {
        let (name, licence) = (&package["name"], package["license"].as_str());
        let licence = licence.unwrap_or_else(|| panic!("{name} has no licence"));
        assert!(is_allowed(licence, &allowed), "{name}: {licence}");
        let source = package["source"].as_str().unwrap_or("this crate");
        assert!(
            source.contains("crates.io") || is_own(name),
            "{name} comes from {source}"
        );
    }
}

/// Whether the package belongs to this workspace.
fn is_own(name: &Value) -> bool {
    name == "tablestore-tunnel" || name == "tablestore-emulator"
}

/// The licences in the list `allow` of `deny.toml`.
fn allowed() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    let text = fs::read_to_string(path).expect("deny.toml");
    let (_, list) = text.split_once("[licenses]\nallow = [").expect("the list");
    let (list, _) = list.split_once(']').expect("its end");
    let quoted = list.split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// The metadata of the packages used on this platform. Other packages may not have
/// been downloaded.
fn metadata() -> Value {
    let output = run(env!("CARGO"), &["-vV"]);
    let (_, host) = output.split_once("host: ").expect("a host");
    let host = host.lines().next().expect("a line");
    let metadata = ["metadata", "--format-version=1", "--locked", "--offline"];
    let scope = ["--all-features", "--filter-platform", host];
    let json = run(env!("CARGO"), &[&metadata[..], &scope].concat());
    serde_json::from_str(&json).expect("JSON")
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect(program);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// Evaluates an expression such as `(MIT OR Apache-2.0) AND Unicode-3.0`: each
/// operand of AND must have an allowed alternative.
///
/// In practice, crates use brackets only around OR. `/` is an old spelling of OR,
/// and WITH only adds permissions.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    expression.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')']);
        part.split(" OR ").any(|licence| {
            let licence = licence.split(" WITH ").next().unwrap_or_default();
            allowed.iter().any(|name| name == licence.trim())
        })
    })
}

#[test]
fn licence_expressions_are_evaluated() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for (expression, verdict) in [
        ("MIT", true),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("ISC AND (GPL-3.0 OR MIT)", true),
        ("(GPL-3.0 OR BSL-1.0) AND MIT", false),
        ("GPL-3.0", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), verdict, "{expression}");
    }
}
