//! The table and the tunnel that the command line names.

use std::env;

use crate::service::Service;

/// The first two arguments; on the emulator, where any will do, they may be
/// left out. Options (`--...`) are for the example.
pub(crate) fn table_and_tunnel(service: &Service) -> Result<(String, String), &'static str> {
    let mut names = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"));
    match (names.next(), names.next()) {
        (Some(table), Some(tunnel)) => Ok((table, tunnel)),
        (None, None) if service.emulator.is_some() => {
            Ok(("exampleTable".to_owned(), "exampleTunnel".to_owned()))
        }
        _ => Err("name the table and the tunnel: cargo run --example NAME -- TABLE TUNNEL"),
    }
}
