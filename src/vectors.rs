//! Recorded exchanges of the official Go SDK, for tests. `tests/vectors/README.md`
//! describes how they were recorded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

const FILES: [&str; 2] = [
    include_str!("../tests/vectors/exchanges.jsonl"),
    include_str!("../tests/vectors/exchanges-token-v1-split.jsonl"),
];

/// One request and its response.
pub(crate) struct Exchange(Value);

/// All exchanges of both files, in order.
pub(crate) fn exchanges() -> Vec<Exchange> {
    FILES
        .iter()
        .flat_map(|file| file.lines())
        .map(|line| Exchange(serde_json::from_str(line).expect("a line of JSON")))
        .collect()
}

impl Exchange {
    pub(crate) fn call(&self) -> &str {
        self.text("call")
    }

    pub(crate) fn uri(&self) -> &str {
        self.text("uri")
    }

    pub(crate) fn status(&self) -> u16 {
        let status = self.0["status"].as_u64().expect("a status");
        status.try_into().expect("an HTTP status")
    }

    /// The response as the Go SDK decoded it; null if it was not recorded.
    pub(crate) fn decoded(&self) -> &Value {
        &self.0["decoded"]
    }

    pub(crate) fn error(&self) -> Option<&Value> {
        self.0.get("error")
    }

    pub(crate) fn request_body(&self) -> Vec<u8> {
        BASE64.decode(self.text("request_body")).expect("base64")
    }

    pub(crate) fn response_body(&self) -> Vec<u8> {
        BASE64.decode(self.text("response_body")).expect("base64")
    }

    pub(crate) fn request_id(&self) -> &str {
        let id = &self.0["response_headers"]["x-ots-requestid"];
        id.as_str().expect("a request id")
    }

    /// The headers of the request, with names in lower case.
    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        let headers = self.0["request_headers"].as_object().expect("headers");
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().expect("a value")))
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0["request_headers"][name].as_str()
    }

    /// The secret with which the request was signed.
    pub(crate) fn secret(&self) -> &'static str {
        match self.call().contains("wrong secret") {
            true => "wrong",
            false => "labsecret",
        }
    }

    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().expect("text")
    }
}
