//! The names of the table and the tunnel, from the command line.

use std::env;

use crate::service::Service;

/// Returns the first two arguments. They are optional on the emulator, which has
/// defaults. Options (`--...`) are skipped.
pub(crate) fn table_and_tunnel(service: &Service) -> Result<(String, String), &'static str> {
    let mut names = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"));
    match (names.next(), names.next()) {
        (Some(table), Some(tunnel)) => Ok((table, tunnel)),
        (None, None) if service.emulator.is_some() => {
            Ok(("exampleTable".to_owned(), "exampleTunnel".to_owned()))
        }
        _ => Err("missing table or tunnel: cargo run --example NAME -- TABLE TUNNEL"),
    }
}
