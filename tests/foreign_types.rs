//! Tests that `src/guide/foreign_types.rs` lists the types of other crates in this
//! crate's API. `.ci/foreign-types` runs the test after rustdoc has written the API
//! as JSON.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// `crate::Type`.
type Names = BTreeSet<String>;

#[test]
#[ignore = "needs the API as JSON: run .ci/foreign-types"]
fn the_list_of_foreign_types_matches_the_api() {
    let path = std::env::var("FOREIGN_TYPES_JSON").expect("the variable with the path");
    let json = fs::read_to_string(path).expect("the API");
    let api: Value = serde_json::from_str(&json).expect("JSON");
    let used = used(&api);
    assert!(
        !used.is_empty(),
        "no types found: the JSON format is not the expected one"
    );
    let listed = listed();
    let missing: Vec<_> = used.difference(&listed).collect();
    assert!(missing.is_empty(), "not in the list: {missing:?}");
    let stale: Vec<_> = listed.difference(&used).collect();
    assert!(stale.is_empty(), "not in the API: {stale:?}");
}

/// The types in the first two columns of the table.
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

/// The types of other crates in what a user can reach from the root of the crate.
/// Hidden modules are not part of the API.
fn used(api: &Value) -> Names {
    let mut reached = BTreeSet::new();
    let mut ids = BTreeSet::new();
    let mut next = vec![api["root"].to_string()];
    while let Some(id) = next.pop() {
        let item = &api["index"][&id];
        let is_own = item["crate_id"] == 0 && item["inner"]["module"]["is_stripped"] != true;
        if !is_own || is_implicit_impl(item) || !reached.insert(id) {
            continue;
        }
        let before = ids.clone();
        collect_ids(&item["inner"], &mut ids);
        next.extend(ids.difference(&before).cloned());
        next.extend(members(&item["inner"]));
    }
    ids.iter().filter_map(|id| foreign(api, id)).collect()
}

/// The ids of the items that belong to an item: those of a module, the fields and
/// implementations of a type, the methods of an implementation.
fn members(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => {
            let target = object.get("id").filter(|_| object.contains_key("source"));
            let nested = object.values().flat_map(members);
            target
                .map(Value::to_string)
                .into_iter()
                .chain(nested)
                .collect()
        }
        Value::Array(values) => {
            let id = |value: &Value| value.is_u64().then(|| value.to_string());
            values
                .iter()
                .flat_map(|value| id(value).map_or_else(|| members(value), |id| vec![id]))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Whether an item is a blanket implementation of another crate, or an
/// implementation of an auto trait.
fn is_implicit_impl(item: &Value) -> bool {
    let implementation = &item["inner"]["impl"];
    !implementation["blanket_impl"].is_null() || implementation["is_synthetic"] == true
}

/// Collects the ids of all named types, which are objects with a path and an id.
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

/// The name of a type, unless it belongs to this crate or to the standard library.
fn foreign(api: &Value, id: &str) -> Option<String> {
    let item = &api["paths"][id];
    let of = &api["external_crates"][item["crate_id"].to_string()];
    let of = of["name"].as_str()?;
    let name = item["path"].as_array()?.last()?.as_str()?;
    let is_standard = ["std", "core", "alloc"].contains(&of);
    (!is_standard).then(|| format!("{of}::{name}"))
}
