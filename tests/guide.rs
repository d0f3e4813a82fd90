//! Tests that the chapters in `src/guide` match the code: the table of defaults,
//! the table of error codes and the list of chapters.

use std::fs;
use std::path::Path;

use tablestore_tunnel::{SimpleProcessFactory, TunnelConfig, TunnelWorkerConfig};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The settings and defaults in the table of the chapter.
fn defaults() -> Vec<(String, String)> {
    let chapter = read("src/guide/configuration.rs");
    let rows = chapter
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`"));
    rows.map(|row| {
        let (setting, rest) = row.split_once('`').expect("a setting");
        let default = rest.split(" | ").nth(1).expect("a default");
        (setting.to_owned(), default.to_owned())
    })
    .collect()
}

/// A default as `Debug` prints it.
fn printed(default: &str) -> String {
    match default.split_once(' ') {
        Some((number, "s")) => format!("{number}s"),
        Some((number, "MiB")) => (number.parse::<u64>().expect(default) << 20).to_string(),
        _ => default
            .replace("unlimited", "None")
            .replace("the host's name", &host()),
    }
}

fn host() -> String {
    format!("{:?}", gethostname::gethostname().to_string_lossy())
}

#[test]
fn the_table_of_defaults_matches_the_code() {
    let factory = || SimpleProcessFactory::new(|_, _| Ok(()));
    let builder = TunnelWorkerConfig::builder(factory());
    let config = builder.build().expect("defaults");
    // Make sure that a comma follows every value.
    let code = format!("{config:?} {:?}", TunnelConfig::new())
        .replace(" }", ",")
        .replace(')', ",");
    let table = defaults();
    for (setting, default) in &table {
        let field = match setting.as_str() {
            // Settings whose fields have other names.
            "backoff" => "backoff: ChannelBackoffConfig { max_delay",
            "pool_threads" => "pool: Pool { threads",
            "checkpoint_interval" => "checkpoint: Every(",
            "read_max_times_per_round" => "max_times_per_round",
            "read_max_bytes_per_round" => "max_bytes_per_round",
            other => other,
        };
        if is_not_a_value(default) {
            continue;
        }
        let value = printed(default);
        let found = [format!("{field}: {value},"), format!("{field}{value},")];
        assert!(
            found.iter().any(|text| code.contains(text)),
            "{setting} is not {default}: {code}"
        );
    }
    let checked = table.iter().filter(|(_, default)| !is_not_a_value(default));
    assert!(checked.count() >= 20, "the table is too short");
}

/// Whether a default describes a component, which `Debug` does not print as a value.
fn is_not_a_value(default: &str) -> bool {
    ["none", "its own", "the service's", "the system's"].contains(&default)
}

/// Checks the setters of the builder, of the factories and of the tunnel
/// configuration.
#[test]
fn every_setting_has_a_row() {
    let settings: Vec<String> = defaults().into_iter().map(|(setting, _)| setting).collect();
    let sources = [
        "src/config/worker.rs",
        "src/config/reading.rs",
        "src/config/tunnel.rs",
        "src/processor/factory.rs",
    ];
    for source in sources {
        for method in setters(&read(source)) {
            let is_known = settings.contains(&method) || method == "heartbeat_interval_for_tests";
            assert!(is_known, "{source}: {method} has no row");
        }
    }
}

/// The public methods that take `mut self`, except `max_delay`, which is the only
/// value of `backoff`.
fn setters(source: &str) -> Vec<String> {
    let methods = source.split("    pub fn ").skip(1);
    methods
        .filter_map(|method| {
            let head = method.split('{').next()?;
            let name = head.split(['(', '<']).next()?;
            (head.contains("mut self") && name != "max_delay").then(|| name.to_owned())
        })
        .collect()
}

#[test]
fn every_error_code_has_a_row() {
    let chapter = read("src/guide/errors.rs");
    let source = read("src/error.rs");
    let (_, codes) = source.split_once("pub enum ErrorCode {").expect("the enum");
    let (codes, _) = codes.split_once("\n}").expect("its end");
    let codes: Vec<&str> = codes
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(char::is_uppercase))
        .map(|line| line.trim_end_matches(',').trim_end_matches("(String)"))
        .collect();
    assert!(codes.len() >= 13, "{codes:?}");
    for code in codes {
        let link = format!("`](crate::ErrorCode::{code}) | ");
        assert!(chapter.contains(&link), "no row for {code}");
    }
}

#[test]
fn every_chapter_is_linked_from_the_front_page() {
    let front = read("src/lib.rs");
    let modules = read("src/guide/mod.rs");
    for line in modules.lines() {
        let Some(chapter) = line.strip_prefix("pub mod ") else {
            continue;
        };
        let chapter = chapter.trim_end_matches([';', '{', '}', ' ']);
        let link = format!("](guide::{chapter})");
        assert!(front.contains(&link), "no link to {chapter}");
    }
}
