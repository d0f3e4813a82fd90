//! Names and ids in requests: refuses what the service cannot mean.
//!
//! The service documents a rule for table names and none for tunnel names, so
//! that only what is certainly a mistake is refused here.

use crate::error::TunnelError;

/// What the service documents for table names, in bytes.
const MAX_NAME: usize = 255;

/// Looks at the name of a table or tunnel; `what` says which.
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

/// Looks at an id that the service gave out; `what` says which.
pub(crate) fn check_id(what: &str, id: &str) -> Result<(), TunnelError> {
    check_given(what, id)?;
    let is_slip = |c: char| c.is_whitespace() || c.is_control();
    if id.contains(is_slip) {
        let shown = id.escape_debug();
        return Err(TunnelError::client(format!(
            "the {what} \"{shown}\" holds a space or a line end; give it without"
        )));
    }
    Ok(())
}

/// Looks at a token, which is not repeated: it may hold a row's primary key.
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
    fn takes_what_the_service_may_take() {
        for name in ["t", "_t", "test-tunnel", "1st", "表", &"x".repeat(255)] {
            assert!(check_name("tunnel name", name).is_ok(), "{name}");
        }
    }

    #[test]
    fn refuses_slips_and_says_which() {
        for (name, reason) in [
            ("", "empty"),
            ("a b", "space"),
            ("a\n", "line end"),
            (&"x".repeat(256), "256 bytes"),
        ] {
            let error = check_name("table name", name).expect_err(name);
            assert!(error.message().contains("table name"), "{error}");
            assert!(error.message().contains(reason), "{error}");
        }
        assert!(check_id("tunnel id", &"x".repeat(300)).is_ok());
    }
}
