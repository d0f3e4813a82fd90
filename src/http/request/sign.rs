//! The signature of a request, as a pure function of the signed parts.
//!
//! Used by the client, which signs, and by the emulator, which verifies. This module does
//! not decide which headers a request has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;

/// The names of the headers that the service knows.
pub mod header {
    /// Id of the access key.
    pub const ACCESS_KEY_ID: &str = "x-ots-accesskeyid";
    /// Version of the API.
    pub const API_VERSION: &str = "x-ots-apiversion";
    /// MD5 of the body, in base64.
    pub const CONTENT_MD5: &str = "x-ots-contentmd5";
    /// Time at which the request was signed.
    pub const DATE: &str = "x-ots-date";
    /// Name of the instance.
    pub const INSTANCE_NAME: &str = "x-ots-instancename";
    /// Id of the request. A header of the response.
    pub const REQUEST_ID: &str = "x-ots-requestid";
    /// Signature of the request.
    pub const SIGNATURE: &str = "x-ots-signature";
    /// Security token of a temporary access key.
    pub const STS_TOKEN: &str = "x-ots-ststoken";
    /// Id that the client assigns to each attempt.
    pub const TRACE_ID: &str = "x-ots-trace-id";
    /// Prefix of the names of all signed headers.
    pub const PREFIX: &str = "x-ots-";
}

/// Computes the signature of a POST to `uri`, which is only the path, such as
/// `/tunnel/list`.
///
/// `headers` may be all headers of the request, in any order and case. Headers that are
/// not signed are ignored, including `x-ots-signature`.
pub fn signature<'a>(
    secret: &str,
    uri: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(string_to_sign(uri, headers).as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

/// Computes the value of `x-ots-contentmd5` for a body.
pub fn content_md5(body: &[u8]) -> String {
    BASE64.encode(Md5::digest(body))
}

fn string_to_sign<'a>(uri: &str, headers: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut signed: Vec<(String, &str)> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .filter(|(name, value)| is_signed(name) && !value.is_empty())
        .collect();
    signed.sort();
    // The empty line is the query string; no action of the service has one.
    let mut text = format!("{uri}\nPOST\n\n");
    for (name, value) in signed {
        text.push_str(&name);
        text.push(':');
        text.push_str(value);
        text.push('\n');
    }
    text
}

fn is_signed(name: &str) -> bool {
    name.starts_with(header::PREFIX) && name != header::SIGNATURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    #[test]
    fn the_string_to_sign_has_each_signed_header_sorted_and_trimmed() {
        let headers = [
            ("X-Ots-Date", " 2024-01-02T03:04:05.006Z "),
            ("Host", "127.0.0.1"),
            ("x-ots-signature", "not signed"),
            ("x-ots-ststoken", "  "),
            ("x-ots-accesskeyid", "id"),
        ];
        assert_eq!(
            string_to_sign("/tunnel/list", headers.into_iter()),
            "/tunnel/list\nPOST\n\nx-ots-accesskeyid:id\nx-ots-date:2024-01-02T03:04:05.006Z\n"
        );
    }

    #[test]
    fn signatures_match_the_go_sdk() {
        let exchanges = vectors::exchanges();
        assert!(exchanges.len() > 80, "{} exchanges", exchanges.len());
        for exchange in &exchanges {
            let headers = exchange.headers();
            let expected = exchange.header(header::SIGNATURE);
            let ours = signature(exchange.secret(), exchange.uri(), headers.into_iter());
            assert_eq!(Some(ours.as_str()), expected, "{}", exchange.call());
        }
    }

    #[test]
    fn body_checksums_match_the_go_sdk() {
        for exchange in &vectors::exchanges() {
            let ours = content_md5(&exchange.request_body());
            assert_eq!(Some(ours.as_str()), exchange.header(header::CONTENT_MD5));
        }
    }

    #[test]
    fn another_secret_gives_another_signature() {
        let exchanges = vectors::exchanges();
        let first = exchanges.first().expect("an exchange");
        let ours = signature("other", first.uri(), first.headers().into_iter());
        assert_ne!(Some(ours.as_str()), first.header(header::SIGNATURE));
    }
}
