//! Rejects requests of web pages: only programs on this machine may call.
//!
//! A web page can make a browser send requests to 127.0.0.1. If its own host name
//! leads to this machine (DNS rebinding), the page could even read the answers, but
//! then the request names that host. Without this trick the request names the
//! origin of the page.

use super::Refusal;
use crate::protocol::Head;

pub(super) fn check(head: &Head) -> Result<(), Refusal> {
    let host = head.header("host").unwrap_or_default();
    if !is_loopback(host) {
        return Err(Refusal::forbidden(format!(
            "the host {host:?} is not this machine; send the request to 127.0.0.1 or localhost"
        )));
    }
    match head.header("origin") {
        Some(origin) if !is_loopback(origin.trim_start_matches("http://")) => {
            Err(Refusal::forbidden(
                "a web page may not drive the emulator; send the request from a program",
            ))
        }
        _ => Ok(()),
    }
}

/// Whether a host, with or without a port, is this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_this_machine_are_accepted() {
        for host in [
            "127.0.0.1:8087",
            "127.0.0.1",
            "localhost:1",
            "LOCALHOST",
            "[::1]:80",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8087",
            "127.0.0.1.evil.example:80",
            "localhost.evil.example",
            "evil.example/127.0.0.1",
            "null",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
