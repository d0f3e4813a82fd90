//! The list of types of other crates in `src/guide/foreign_types.rs` is that of
//! the API. Run by `.ci/foreign-types`, which has rustdoc write the API as JSON.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// `crate::Type`.
type Names = BTreeSet<String>;

#[test]
#[ignore = "needs the API as JSON: run .ci/foreign-types"]
fn the_list_of_foreign_types_is_complete() {
    let path = std::env::var("FOREIGN_TYPES_JSON").expect("the variable with the path");
    let json = fs::read_to_string(path).expect("the API");
    let api: Value = serde_json::from_str(&json).expect("JSON");
    let used = used(&api);
    assert!(!used.is_empty(), "the JSON has another form than expected");
    let listed = listed();
    let missing: Vec<_> = used.difference(&listed).collect();
    assert!(missing.is_empty(), "not in the list: {missing:?}");
    let stale: Vec<_> = listed.difference(&used).collect();
    assert!(stale.is_empty(), "not in the API: {stale:?}");
}

/// What the first two columns of the table say.
fn listed() -> Names {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/foreign_types.rs");
    let chapter = fs::read_to_string(path).expect("the chapter");
    let rows = chapter.lines().filter_map(|l| l.strip_prefix("//! | `"));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let of = cells[0].trim_end_matches('`').to_owned();
        let types = cells[1].split('`').skip(1).step_by(2);
        types
            .map(|name| format!("{of}::{name}"))
            .collect::<Vec<_>>()
    })
    .collect()
}

fn used(api: &Value) -> Names {
    let items = api["index"].as_object().expect("items").values();
    let own = items.filter(|item| item["crate_id"] == 0 && !is_from_elsewhere(item));
    let mut ids = BTreeSet::new();
    own.for_each(|item| collect_ids(&item["inner"], &mut ids));
    ids.iter().filter_map(|id| foreign(api, id)).collect()
}

/// Implementations that other crates make for every type, and those that the
/// compiler finds by itself.
fn is_from_elsewhere(item: &Value) -> bool {
    let implementation = &item["inner"]["impl"];
    !implementation["blanket_impl"].is_null() || implementation["is_synthetic"] == true
}

/// Whatever is named has a path and an id.
fn collect_ids(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            ids.extend(named(object));
            object.values().for_each(|value| collect_ids(value, ids));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_ids(value, ids)),
        _ => {}
    }
}

fn named(object: &Map<String, Value>) -> Option<String> {
    let id = object.get("id").filter(|_| object.contains_key("path"))?;
    Some(id.to_string())
}

/// The name, if it is one of another crate than this and the standard library.
fn foreign(api: &Value, id: &str) -> Option<String> {
    let item = &api["paths"][id];
    let of = &api["external_crates"][item["crate_id"].to_string()];
    let of = of["name"].as_str()?;
    let name = item["path"].as_array()?.last()?.as_str()?;
    let is_standard = ["std", "core", "alloc"].contains(&of);
    (!is_standard).then(|| format!("{of}::{name}"))
}
