//! [`Endpoint`]: the checked destination of requests.

use std::net::IpAddr;

use ureq::http::Uri;

use crate::error::TunnelError;
use crate::text;

/// The URL to which all requests are sent, and the name of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Scheme, host and port, without a trailing slash.
    url: String,
    instance: String,
    is_loopback: bool,
}

impl Endpoint {
    /// Checks an endpoint and an instance name.
    ///
    /// # Errors
    ///
    /// `OTSClientError` with the reason and the expected form.
    pub(crate) fn new(endpoint: &str, instance: &str) -> Result<Endpoint, TunnelError> {
        check_instance(instance)?;
        let invalid = |reason: &str| invalid_error(endpoint, reason);
        if let Some(problem) = text::problem(endpoint) {
            return Err(invalid(&format!("it {problem}")));
        }
        if endpoint.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(invalid("it contains a space or a line end"));
        }
        let uri: Uri = endpoint
            .parse()
            .map_err(|error| invalid("it is not a URL").with_source(error))?;
        check_parts(&uri, endpoint).map_err(invalid)?;
        Ok(Endpoint {
            url: endpoint.trim_end_matches('/').to_owned(),
            instance: instance.to_owned(),
            is_loopback: uri.host().is_some_and(is_loopback),
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Whether the host is this machine. Such requests bypass a proxy, which could not
    /// reach it.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }
}

fn check_parts(uri: &Uri, endpoint: &str) -> Result<(), &'static str> {
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(_) => return Err("its scheme is neither https nor http"),
        None => return Err("it has no scheme"),
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if uri.host().unwrap_or_default().is_empty() {
        Err("it has no host")
    } else if authority.contains('@') {
        // `invalid_error` redacts the URL, because the part before the @ may be a secret.
        Err("it contains a user or password")
    } else if uri.port().is_none() && has_port(authority) {
        Err("its port is not a port number")
    } else if !uri.path().trim_matches('/').is_empty() || endpoint.contains(['?', '#']) {
        Err("it has more parts than scheme, host and port")
    } else {
        Ok(())
    }
}

/// Whether the host is followed by a colon, which announces a port, as in `host:`.
fn has_port(authority: &str) -> bool {
    let after_address = authority.rsplit(']').next().unwrap_or_default();
    after_address.contains(':')
}

fn invalid_error(endpoint: &str, reason: &str) -> TunnelError {
    let shown = match endpoint.contains('@') {
        true => "[redacted]".into(),
        false => endpoint.escape_debug().to_string(),
    };
    TunnelError::client(format!(
        "the endpoint \"{shown}\" cannot be used: {reason}; write it as \
         https://instance.region.ots.aliyuncs.com or http://host:port"
    ))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn check_instance(instance: &str) -> Result<(), TunnelError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !instance.is_empty() && instance.bytes().all(is_name) {
        return Ok(());
    }
    if let Some(problem) = text::problem(instance) {
        let shown = instance.escape_debug();
        return Err(TunnelError::client(format!(
            "the instance name \"{shown}\" {problem}"
        )));
    }
    Err(TunnelError::client(format!(
        "the instance name \"{}\" cannot be used: only letters, digits, `-` and `_` are allowed; \
         use the name from the console, not the host of the endpoint",
        instance.escape_debug()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_and_local_endpoints_are_accepted() {
        for (given, url, is_loopback) in [
            (
                "https://inst.cn-hangzhou.ots.aliyuncs.com",
                "https://inst.cn-hangzhou.ots.aliyuncs.com",
                false,
            ),
            ("http://127.0.0.1:8087/", "http://127.0.0.1:8087", true),
            ("http://localhost", "http://localhost", true),
            ("http://[::1]:80", "http://[::1]:80", true),
            ("HTTPS://Host:443", "HTTPS://Host:443", false),
        ] {
            let endpoint = Endpoint::new(given, "my-inst_1").expect(given);
            assert_eq!(endpoint.url(), url);
            assert_eq!(endpoint.instance(), "my-inst_1");
            assert_eq!(endpoint.is_loopback(), is_loopback, "{given}");
        }
    }

    #[test]
    fn bad_endpoints_are_rejected_with_the_reason() {
        for (endpoint, reason) in [
            ("", "not a URL"),
            ("inst.cn-hangzhou.ots.aliyuncs.com", "no scheme"),
            ("127.0.0.1:8087", "no scheme"),
            ("ftp://host", "neither"),
            ("https://", "not a URL"),
            ("https://host/path", "more parts"),
            ("https://host?query", "more parts"),
            ("https://host/#part", "more parts"),
            ("https://host:port", "not a port"),
            ("https://host:99999", "not a port"),
            ("https://host:", "not a port"),
            (" https://host", "begins with a blank"),
            ("https://host\n", "ends with a line end"),
            ("https://ho st", "space"),
        ] {
            let error = Endpoint::new(endpoint, "inst").expect_err(endpoint);
            assert!(error.message().contains(reason), "{endpoint}: {error}");
            assert!(error.message().contains("write it as"), "{error}");
        }
    }

    #[test]
    fn errors_do_not_contain_a_password() {
        let error = Endpoint::new("https://user:hidden@host", "inst").expect_err("an error");
        assert!(!format!("{error} {error:?}").contains("hidden"));
        let error = Endpoint::new("https://user:hidden@ho st", "inst").expect_err("an error");
        assert!(!format!("{error} {error:?}").contains("hidden"));
    }

    #[test]
    fn bad_instance_names_are_rejected() {
        for instance in ["", "a.b", "a b", "a/b", "实例"] {
            let error = Endpoint::new("https://host", instance).expect_err(instance);
            assert!(error.message().contains("instance name"), "{error}");
        }
        for (instance, reason) in [
            ("inst\n", "ends with a line end"),
            ("inst ", "ends with a blank"),
            ("\tinst", "begins with a blank"),
        ] {
            let error = Endpoint::new("https://host", instance).expect_err(instance);
            assert!(error.message().contains(reason), "{error}");
        }
    }
}
