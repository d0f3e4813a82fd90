//! The headers of a request, and the check of headers that users add.

use time::OffsetDateTime;
use uuid::{Builder, Uuid};

use super::sign::{self, header};
use crate::credentials::Credentials;
use crate::error::TunnelError;
use crate::text;

/// Version of the service's API to which the messages belong.
const API_VERSION: &str = "2018-04-01";

/// Headers that the client sets in every request, and that users cannot add.
const RESERVED: [&str; 8] = [
    header::ACCESS_KEY_ID,
    header::API_VERSION,
    header::CONTENT_MD5,
    header::DATE,
    header::INSTANCE_NAME,
    header::SIGNATURE,
    header::STS_TOKEN,
    header::TRACE_ID,
];

/// The `x-ots-*` headers of one attempt, including the signature.
pub(crate) fn signed<'a>(
    uri: &str,
    body: &[u8],
    now: OffsetDateTime,
    instance: &str,
    credentials: &Credentials,
    added: &'a [(String, String)],
) -> Result<Vec<(&'a str, String)>, TunnelError> {
    credentials.check()?;
    let mut headers: Vec<(&str, String)> = vec![
        (header::ACCESS_KEY_ID, credentials.access_key_id().into()),
        (header::API_VERSION, API_VERSION.into()),
        (header::CONTENT_MD5, sign::content_md5(body)),
        (header::DATE, iso8601(now)),
        (header::INSTANCE_NAME, instance.into()),
        (header::TRACE_ID, trace_id().to_string()),
    ];
    if let Some(token) = credentials.token() {
        headers.push((header::STS_TOKEN, token.into()));
    }
    headers.extend(
        added
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone())),
    );
    let all = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let signature = sign::signature(credentials.secret(), uri, all);
    headers.push((header::SIGNATURE, signature));
    Ok(headers)
}

/// A random trace id. It is not a secret, so a fast generator suffices, which needs no
/// system call.
fn trace_id() -> Uuid {
    Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid()
}

/// Formats a UTC time with milliseconds, such as `2019-07-10T15:00:00.123Z`.
fn iso8601(utc: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        utc.year(),
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second(),
        utc.millisecond()
    )
}

/// Checks the headers that a user adds, and converts their names to lower case.
pub(crate) fn check_added(
    added: Vec<(String, String)>,
) -> Result<Vec<(String, String)>, TunnelError> {
    let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
    let added: Vec<_> = added.into_iter().map(lower).collect();
    for (name, value) in &added {
        if let Some(reason) = reason_to_reject(name, value) {
            let name = name.escape_debug();
            return Err(TunnelError::client(format!("the header {name} {reason}")));
        }
    }
    Ok(added)
}

fn reason_to_reject(name: &str, value: &str) -> Option<&'static str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_value = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if RESERVED.contains(&name) {
        Some("is set by the client itself; leave it out")
    // Other names are rejected, because only `x-ots-` headers are signed.
    } else if !name.starts_with(header::PREFIX) || name == header::PREFIX {
        Some("cannot be added: the name must begin with `x-ots-`")
    } else if !name.bytes().all(is_name) {
        Some("cannot be added: only letters, digits, `-` and `_` are allowed in a name")
    } else if let Some(problem) = text::problem(value) {
        Some(problem)
    } else if value.trim().is_empty() || !value.bytes().all(is_value) {
        Some("needs a value of printable ASCII characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2019-07-10 15:00:00.0237 UTC);

    fn headers_of(credentials: &Credentials) -> BTreeMap<String, String> {
        let added = [("x-ots-custom".to_owned(), "v".to_owned())];
        let headers = signed("/tunnel/list", b"body", NOW, "inst", credentials, &added);
        let headers = headers.expect("signed").into_iter();
        headers
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    #[test]
    fn carries_what_the_service_asks_for() {
        let headers = headers_of(&Credentials::new("id", "secret").security_token("sts"));
        for (name, value) in [
            ("x-ots-accesskeyid", "id"),
            ("x-ots-apiversion", "2018-04-01"),
            ("x-ots-contentmd5", "hBotaJrYa9FhFEdFPCLG/A=="),
            ("x-ots-custom", "v"),
            ("x-ots-date", "2019-07-10T15:00:00.023Z"),
            ("x-ots-instancename", "inst"),
            ("x-ots-ststoken", "sts"),
        ] {
            assert_eq!(headers.get(name).map(String::as_str), Some(value));
        }
        let trace = Uuid::parse_str(&headers["x-ots-trace-id"]).expect("a UUID");
        assert_eq!(trace.get_version_num(), 4);
        assert_eq!(headers.len(), 9, "{headers:?}");
    }

    #[test]
    fn the_signature_covers_all_headers() {
        let headers = headers_of(&Credentials::new("id", "secret"));
        assert!(!headers.contains_key("x-ots-ststoken"));
        let sent = headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let expected = sign::signature("secret", "/tunnel/list", sent);
        assert_eq!(headers["x-ots-signature"], expected);
        let without = headers.iter().filter(|(name, _)| *name != "x-ots-custom");
        let without = without.map(|(n, v)| (n.as_str(), v.as_str()));
        assert_ne!(sign::signature("secret", "/tunnel/list", without), expected);
    }

    #[test]
    fn every_attempt_has_its_own_trace_id() {
        let credentials = Credentials::new("id", "secret");
        let trace = || headers_of(&credentials)["x-ots-trace-id"].clone();
        assert_ne!(trace(), trace());
    }

    #[test]
    fn empty_credentials_are_rejected() {
        let error = signed("/", b"", NOW, "inst", &Credentials::new("", "s"), &[]);
        assert!(
            error
                .expect_err("an error")
                .message()
                .contains("access key id")
        );
    }

    #[test]
    fn added_headers_are_checked() {
        let check = |name: &str, value: &str| check_added(vec![(name.into(), value.into())]);
        let lower = vec![("x-ots-tunnel-type".to_owned(), "a/b".to_owned())];
        assert_eq!(check("X-Ots-Tunnel-Type", "a/b").expect("fine"), lower);
        for (name, value, reason) in [
            ("X-Ots-Date", "now", "itself"),
            ("x-ots-signature", "x", "itself"),
            ("content-type", "x", "begin with"),
            ("x-otsfoo", "x", "begin with"),
            ("x-ots-", "x", "begin with"),
            ("x-ots-a b", "x", "letters"),
            ("x-ots-a\r\nhost", "x", "letters"),
            ("x-ots-a", "", "printable"),
            ("x-ots-a", "1\r\nhost: x", "control character"),
            ("x-ots-a", "v\n", "ends with a line end"),
            ("x-ots-a", "v ", "ends with a blank"),
        ] {
            let error = check(name, value).expect_err(name);
            assert!(error.message().contains(reason), "{name}: {error}");
        }
    }
}
