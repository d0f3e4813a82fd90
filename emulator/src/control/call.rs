//! [`Call`]: a parsed request of the control API.

use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::{ROOT, Refusal};
use crate::protocol::Request;

/// A request of the control API.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: String,
    /// The parts of the path after the root.
    pub(super) path: Vec<String>,
    /// The parts of the path where the route has `{...}`.
    pub(super) arguments: Vec<String>,
    query: Vec<(String, String)>,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    pub(super) fn new(request: &'a Request) -> Result<Call<'a>, Refusal> {
        let rest = request.head.path.strip_prefix(ROOT).unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parts = path.split('/').filter(|part| !part.is_empty());
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        };
        Ok(Call {
            method: request.head.method.clone(),
            path: parts.map(decode).collect::<Result<_, _>>()?,
            arguments: Vec::new(),
            query: pairs.map(pair).collect::<Result<_, Refusal>>()?,
            body: &request.body,
        })
    }

    /// An argument in the path, by its index.
    pub(super) fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map_or("", String::as_str)
    }

    /// A parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter of the query that is a whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let number = |text: &str| {
            let number = text.parse();
            number.map_err(|_| Refusal::bad(format!("{name} must be a whole number, not {text:?}")))
        };
        self.query(name).map(number).transpose()
    }

    /// The body as JSON. An empty body means an empty object.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let text = match self.text()?.trim() {
            "" => "{}",
            text => text,
        };
        serde_json::from_str(text).map_err(|error| {
            Refusal::bad(format!("the body is not valid JSON for this call: {error}"))
        })
    }

    pub(super) fn text(&self) -> Result<&'a str, Refusal> {
        std::str::from_utf8(self.body).map_err(|_| Refusal::bad("the body must be UTF-8"))
    }
}

fn decode(text: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| Refusal::bad("the path and the query must be UTF-8"));
    decoded.map(String::from)
}
