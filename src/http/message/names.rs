//! Checks names and ids in requests.
//!
//! The service documents rules for table names, but none for tunnel names. These checks
//! therefore reject only values that are certainly wrong.

use crate::error::TunnelError;
use crate::text;

/// Maximum length of a table name in bytes, as documented by the service.
const MAX_NAME: usize = 255;

/// Checks the name of a table or tunnel; `what` is used in the error.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), TunnelError> {
    check_id(what, name)?;
    if name.len() > MAX_NAME {
        let length = name.len();
        return Err(TunnelError::client(format!(
            "the {what} has {length} bytes, more than the {MAX_NAME} that the service allows"
        )));
    }
    Ok(())
}

/// Checks an id that the service assigned; `what` is used in the error.
pub(crate) fn check_id(what: &str, id: &str) -> Result<(), TunnelError> {
    check_given(what, id)?;
    if let Some(problem) = text::problem(id) {
        let shown = id.escape_debug();
        return Err(TunnelError::client(format!(
            "the {what} \"{shown}\" {problem}"
        )));
    }
    let is_forbidden = |c: char| c.is_whitespace() || c.is_control();
    if id.contains(is_forbidden) {
        let shown = id.escape_debug();
        return Err(TunnelError::client(format!(
            "the {what} \"{shown}\" contains a space or a line end; remove it"
        )));
    }
    Ok(())
}

/// Checks that a token is not empty. The error does not contain the token, which may
/// include the primary key of a row.
pub(crate) fn check_given(what: &str, token: &str) -> Result<(), TunnelError> {
    match token.is_empty() {
        true => Err(TunnelError::client(format!("the {what} is empty"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_service_may_accept_pass() {
        for name in ["t", "_t", "test-tunnel", "1st", "表", &"x".repeat(255)] {
            assert!(check_name("tunnel name", name).is_ok(), "{name}");
        }
    }

    #[test]
    fn bad_names_are_rejected_with_the_reason() {
        for (name, reason) in [
            ("", "empty"),
            ("a b", "space"),
            ("a\n", "ends with a line end"),
            ("a\r\n", "ends with a line end"),
            (" a", "begins with a blank"),
            ("a\u{a0}", "ends with a blank"),
            ("a\0b", "control character"),
            (&"x".repeat(256), "256 bytes"),
        ] {
            let error = check_name("table name", name).expect_err(name);
            assert!(error.message().contains("table name"), "{error}");
            assert!(error.message().contains(reason), "{error}");
        }
        assert!(check_id("tunnel id", &"x".repeat(300)).is_ok());
    }
}
