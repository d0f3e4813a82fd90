//! Who may ask: programs on this machine, but no web page in its browser.
//!
//! A page can make a browser send requests to 127.0.0.1. By a name of its own
//! that it points here (DNS rebinding) it could even read the answers: such a
//! request has that name as its host. One that it sends without such a trick
//! has the page's origin with it.

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
    fn only_this_machine_by_its_own_name() {
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
