//! Cells as JSON, without any loss.
//!
//! Integers, strings and booleans are plain JSON values. A number with a point or
//! an exponent is a double. Objects stand for values that JSON cannot express:
//! `{"base64": "aGk="}` is a binary, `{"double": "NaN"}` is a double that is not a
//! number, and `{"integer": "9007199254740993"}` is for programs that read all
//! numbers as doubles.
//!
//! The emulator's program reads seed files in this format.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use super::Value;

/// The value of a cell from JSON.
pub(crate) fn parse(json: &Json) -> Result<Value, String> {
    match json {
        Json::Bool(value) => Ok((*value).into()),
        Json::String(value) => Ok(value.as_str().into()),
        Json::Number(number) if number.is_f64() => {
            Ok(Value::Double(number.as_f64().unwrap_or_default()))
        }
        Json::Number(number) => {
            let out_of_range = || format!("{number} is no 64-bit integer; a double has a point");
            number.as_i64().map(Value::from).ok_or_else(out_of_range)
        }
        Json::Object(object) => parse_object(object),
        other => Err(format!("no column can hold {other}")),
    }
}

fn parse_object(object: &Map<String, Json>) -> Result<Value, String> {
    let mut members = object.iter();
    let value = match (members.next(), members.next()) {
        (Some((kind, Json::String(text))), None) => match kind.as_str() {
            "base64" => STANDARD.decode(text).ok().map(Value::Binary),
            "double" => text.parse().ok().map(Value::Double),
            "integer" => text.parse().ok().map(Value::Integer),
            _ => None,
        },
        _ => None,
    };
    value.ok_or_else(|| {
        let object = Json::Object(object.clone());
        format!(
            "{object} is none of {{\"base64\": \"aGk=\"}}, {{\"double\": \"NaN\"}} and {{\"integer\": \"1\"}}"
        )
    })
}

/// The value of a cell as JSON.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Integer(value) => (*value).into(),
        Value::Double(value) if value.is_finite() => (*value).into(),
        Value::Double(value) => json!({"double": value.to_string()}),
        Value::Boolean(value) => (*value).into(),
        Value::String(value) => value.as_str().into(),
        Value::Binary(value) => json!({"base64": STANDARD.encode(value)}),
        // Other values are bounds of key ranges, which no row has.
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_map(Value::Double),
            any::<bool>().prop_map(Value::Boolean),
            any::<String>().prop_map(Value::String),
            any::<Vec<u8>>().prop_map(Value::Binary),
            prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 3.0])
                .prop_map(Value::Double),
        ]
    }

    /// The bits of a double. All values that are not a number count as equal.
    fn bits(value: &Value) -> Option<u64> {
        match value {
            Value::Double(value) if value.is_nan() => Some(f64::NAN.to_bits()),
            Value::Double(value) => Some(value.to_bits()),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn every_value_survives(value in any_value()) {
            let text = to_json(&value).to_string();
            let back = parse(&serde_json::from_str(&text).expect("JSON")).expect(&text);
            prop_assert_eq!(bits(&back), bits(&value));
            if bits(&value).is_none() {
                prop_assert_eq!(back, value);
            }
        }
    }

    #[test]
    fn what_is_no_cell_is_refused() {
        for (text, reason) in [
            ("null", "no column"),
            ("[1]", "no column"),
            ("9223372036854775808", "64-bit"),
            (r#"{"base64": "!"}"#, "base64"),
            (r#"{"base64": "aGk=", "double": "1"}"#, "none of"),
            (r#"{"integer": 5}"#, "none of"),
            (r#"{"integer": "x"}"#, "none of"),
        ] {
            let json = serde_json::from_str(text).expect("JSON");
            let refused = parse(&json).expect_err(text);
            assert!(refused.contains(reason), "{refused}");
        }
        let integer = json!({"integer": "9007199254740993"});
        assert_eq!(parse(&integer), Ok(Value::Integer(9_007_199_254_740_993)));
    }
}
