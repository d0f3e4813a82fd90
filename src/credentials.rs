//! Access keys, and where they come from.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::error::TunnelError;
use crate::text;

/// An access key, with a security token if it is a temporary one.
///
/// `Debug` shows the key's id but neither its secret nor the token. Nothing in
/// this crate logs either of them or puts them into an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    access_key_id: String,
    access_key_secret: String,
    security_token: Option<String>,
}

impl Credentials {
    /// An access key of an account or a RAM user.
    ///
    /// Nothing is checked here: the constructors of
    /// [`TunnelClient`](crate::TunnelClient) refuse an id, a secret or a token that is
    /// empty or begins or ends with white space, such as the line end of the file that
    /// it was read from.
    pub fn new(
        access_key_id: impl Into<String>,
        access_key_secret: impl Into<String>,
    ) -> Credentials {
        Credentials {
            access_key_id: access_key_id.into(),
            access_key_secret: access_key_secret.into(),
            security_token: None,
        }
    }

    /// The token that STS gave with a temporary access key.
    ///
    /// An empty one is none. Defaults to none.
    pub fn security_token(mut self, token: impl Into<String>) -> Credentials {
        self.security_token = Some(token.into()).filter(|token: &String| !token.is_empty());
        self
    }

    /// Reads `OTS_ACCESS_KEY_ID`, `OTS_ACCESS_KEY_SECRET` and, where it is
    /// set, `OTS_STS_TOKEN` from the environment of the process.
    ///
    /// # Errors
    ///
    /// Code [`ClientError`](crate::ErrorCode::ClientError) when one of the
    /// first two is missing, empty or not Unicode; the message names it.
    pub fn from_env() -> Result<Credentials, TunnelError> {
        Credentials::from_vars(|name| std::env::var(name).ok())
    }

    /// The id of the key, which is no secret.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(crate) fn secret(&self) -> &str {
        &self.access_key_secret
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.security_token.as_deref()
    }

    /// Refuses what could only be answered with a failed authentication.
    pub(crate) fn check(&self) -> Result<(), TunnelError> {
        let token = self.security_token.as_deref().unwrap_or("none");
        let parts = [
            ("access key id", &*self.access_key_id),
            ("access key secret", &*self.access_key_secret),
            ("security token", token),
        ];
        for (part, value) in parts {
            if value.trim().is_empty() {
                return Err(TunnelError::client(format!(
                    "the {part} is empty; give the access key of an account or RAM user that may \
                     use the instance"
                )));
            }
            if let Some(problem) = text::problem(value) {
                return Err(TunnelError::client(format!("the {part} {problem}")));
            }
        }
        Ok(())
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Credentials, TunnelError> {
        let needed = |name: &str| {
            let value = var(name).filter(|value| !value.trim().is_empty());
            value.ok_or_else(|| {
                TunnelError::client(format!(
                    "the environment variable {name} is not set; set it to the access key of an \
                     account or RAM user that may use the instance"
                ))
            })
        };
        let key = Credentials::new(
            needed("OTS_ACCESS_KEY_ID")?,
            needed("OTS_ACCESS_KEY_SECRET")?,
        );
        let key = key.security_token(var("OTS_STS_TOKEN").unwrap_or_default());
        key.check()?;
        Ok(key)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("access_key_secret", &"[redacted]")
            .field(
                "security_token",
                &self.security_token.as_ref().map(|_| "[redacted]"),
            )
            .finish()
    }
}

/// A credentials provider's error that says that there will never be credentials.
///
/// A provider that returns any other error is asked again: a worker goes on and tries
/// the next attempt a little later, for as long as its session holds. One that returns
/// this error stops a daemon that has never connected; a daemon that has been connected
/// logs it as an error and goes on.
///
/// ```
/// use tablestore_tunnel::{Credentials, CredentialsError};
///
/// let provider = || -> Result<Credentials, Box<dyn std::error::Error + Send + Sync>> {
///     Err(CredentialsError::permanent("no role is attached to this machine").into())
/// };
/// assert!(provider().is_err());
/// ```
#[derive(Debug)]
pub struct CredentialsError(Box<dyn Error + Send + Sync>);

impl CredentialsError {
    /// There will never be credentials, because of `error`. It must not hold a secret,
    /// since it is logged.
    pub fn permanent(error: impl Into<Box<dyn Error + Send + Sync>>) -> CredentialsError {
        CredentialsError(error.into())
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there will be no credentials: {}", self.0)
    }
}

impl Error for CredentialsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Where a client gets its [`Credentials`] from.
///
/// Asked before every attempt of every request, on the thread that makes the
/// request, by several threads at once: an implementation that fetches
/// temporary keys keeps them until they are about to expire, and answers from
/// there. While it blocks, that one request waits.
///
/// `Credentials` themselves are a provider: the one that never changes. A
/// function or closure that returns credentials is one too, and so is an `Arc`
/// of any provider.
///
/// ```
/// use tablestore_tunnel::{Credentials, TunnelClient, TunnelConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Keys that another program keeps fresh in a file, a line each.
/// let from_file = || {
///     let text = std::fs::read_to_string("/run/secrets/ots")?;
///     let mut lines = text.lines();
///     let mut next = || lines.next().ok_or("the key file has too few lines");
///     Ok(Credentials::new(next()?, next()?).security_token(next()?))
/// };
/// let endpoint = "https://inst.cn-hangzhou.ots.aliyuncs.com";
/// let client = TunnelClient::with_config(endpoint, "inst", from_file, TunnelConfig::new())?;
/// # Ok(())
/// # }
/// ```
pub trait CredentialsProvider: Send + Sync {
    /// The credentials to sign the next attempt with.
    ///
    /// # Errors
    ///
    /// An error, or a panic, counts as a failure that passes: a worker tries again a
    /// little later and keeps its session meanwhile, and a call of
    /// [`TunnelClient`](crate::TunnelClient) is repeated within its time. Return a
    /// [`CredentialsError`] if there will never be credentials. The caller of the request
    /// gets a [`TunnelError`] of code [`ClientError`](crate::ErrorCode::ClientError)
    /// whose [`source`](Error::source) is this error. It must not hold a secret, since
    /// callers print and log it.
    fn credentials(&self) -> Result<Credentials, Box<dyn Error + Send + Sync>>;

    /// Refuses credentials that are known beforehand and cannot be right, when a client
    /// is made. Defaults to `Ok`: a provider is not asked for credentials then.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ClientError`](crate::ErrorCode::ClientError) that names what is wrong.
    fn check(&self) -> Result<(), TunnelError> {
        Ok(())
    }
}

impl CredentialsProvider for Credentials {
    fn credentials(&self) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        Ok(self.clone())
    }

    fn check(&self) -> Result<(), TunnelError> {
        Credentials::check(self)
    }
}

impl<P: CredentialsProvider + ?Sized> CredentialsProvider for Arc<P> {
    fn credentials(&self) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        (**self).credentials()
    }

    fn check(&self) -> Result<(), TunnelError> {
        (**self).check()
    }
}

impl<F> CredentialsProvider for F
where
    F: Fn() -> Result<Credentials, Box<dyn Error + Send + Sync>> + Send + Sync,
{
    fn credentials(&self) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        self()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let credentials = Credentials::new("the-id", "the-secret").security_token("the-token");
        let text = format!("{credentials:?} {credentials:#?}");
        assert!(text.contains("the-id"));
        assert!(!text.contains("the-secret") && !text.contains("the-token"));
    }

    #[test]
    fn an_empty_token_is_none() {
        assert_eq!(Credentials::new("i", "s").security_token("").token(), None);
    }

    #[test]
    fn the_environment_names_what_is_missing() {
        let vars = |set: &'static [(&str, &str)]| {
            Credentials::from_vars(|name| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let missing = vars(&[("OTS_ACCESS_KEY_ID", "i")]).expect_err("no secret");
        assert!(missing.message().contains("OTS_ACCESS_KEY_SECRET"));
        let empty = vars(&[("OTS_ACCESS_KEY_ID", ""), ("OTS_ACCESS_KEY_SECRET", "s")]);
        let empty = empty.expect_err("no id");
        assert!(empty.message().contains("OTS_ACCESS_KEY_ID"));
        let full = vars(&[
            ("OTS_ACCESS_KEY_ID", "i"),
            ("OTS_ACCESS_KEY_SECRET", "s"),
            ("OTS_STS_TOKEN", "t"),
        ]);
        assert_eq!(
            full.expect("complete"),
            Credentials::new("i", "s").security_token("t")
        );
    }

    #[test]
    fn parts_with_white_space_around_them_are_refused_and_not_shown() {
        let key = |id, secret, token: &str| Credentials::new(id, secret).security_token(token);
        for (credentials, part) in [
            (
                key("i\n", "s", ""),
                "the access key id ends with a line end",
            ),
            (
                key("i", "hidden\n", ""),
                "the access key secret ends with a line end",
            ),
            (
                key("i", "hidden\r\n", ""),
                "the access key secret ends with a line end",
            ),
            (
                key("i", " hidden", ""),
                "the access key secret begins with a blank",
            ),
            (
                key("i", "s", "hidden\t"),
                "the security token ends with a blank",
            ),
            (
                key("i", "hid\nden", ""),
                "the access key secret holds a control character",
            ),
        ] {
            let message = credentials.check().expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
            assert!(!message.contains("hid"), "{message}");
        }
        assert!(key("i", "a b", "t").check().is_ok());
    }

    #[test]
    fn empty_parts_are_refused() {
        for (id, secret, names) in [("", "s", "id"), ("i", " ", "secret")] {
            let error = Credentials::new(id, secret).check().expect_err("empty");
            assert!(error.message().contains(names), "{error}");
        }
        assert!(Credentials::new("i", "s").check().is_ok());
    }
}
