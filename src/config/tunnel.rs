//! [`TunnelConfig`]: how requests are made.
//!
//! Holds values and their defaults; what they mean for a request is decided
//! where requests are made.

use std::fmt;
use std::time::Duration;

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

/// As many idle connections as channels may read at once: each that is not
/// kept costs a new connection, and with TLS some round trips, at the next read.
const MAX_IDLE_CONNECTIONS: usize = 4096;

/// Longer than the 30 s between two heartbeats, so that they share a connection.
const MAX_IDLE_AGE: Duration = Duration::from_secs(60);

/// A connection's buffers. Requests are small; answers are copied on at once.
const INPUT_BUFFER: usize = 32 << 10;
const OUTPUT_BUFFER: usize = 16 << 10;

/// How a [`TunnelClient`](crate::TunnelClient) makes its requests.
///
/// Go: `TunnelConfig`. Values are checked where they are used, in
/// [`TunnelClient::with_config`](crate::TunnelClient::with_config).
///
/// ```
/// use std::time::Duration;
/// use tablestore_tunnel::TunnelConfig;
///
/// let config = TunnelConfig::new().request_timeout(Duration::from_secs(20));
/// ```
#[derive(Clone)]
pub struct TunnelConfig {
    pub(crate) request_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_retry_elapsed_time: Duration,
    pub(crate) max_response_size: usize,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) agent: Option<Agent>,
}

impl TunnelConfig {
    /// The defaults.
    pub fn new() -> TunnelConfig {
        TunnelConfig {
            request_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            max_retry_elapsed_time: Duration::from_secs(75),
            max_response_size: 64 << 20,
            headers: Vec::new(),
            agent: None,
        }
    }

    /// How long one attempt of a request may take, from looking up the host's
    /// name to the last byte of the answer. That it is over may be noticed late,
    /// by up to a 32nd of it, never early. Zero is refused; [`Duration::MAX`] is no
    /// limit.
    ///
    /// Go: `HTTPConfig.RequestTimeout`. Defaults to 60 s.
    pub fn request_timeout(mut self, timeout: Duration) -> TunnelConfig {
        self.request_timeout = timeout;
        self
    }

    /// How long an attempt may take to connect, TLS included. Has no effect
    /// with an [`agent`](TunnelConfig::agent) of your own. Zero is refused;
    /// [`Duration::MAX`] leaves only the request timeout.
    ///
    /// Defaults to 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> TunnelConfig {
        self.connect_timeout = timeout;
        self
    }

    /// For how long
    /// [`TunnelClient::read_records`](crate::TunnelClient::read_records) is retried
    /// after failures that pass, counted from its first attempt. All other calls of the
    /// client are retried for 35 s. Zero allows one attempt; [`Duration::MAX`] retries
    /// for ever.
    ///
    /// Workers do not use this setting: they read on for as long as the channel is
    /// their own.
    ///
    /// Go: `MaxRetryElapsedTime`. Defaults to 75 s.
    pub fn max_retry_elapsed_time(mut self, time: Duration) -> TunnelConfig {
        self.max_retry_elapsed_time = time;
        self
    }

    /// The largest body of an answer that is accepted, in bytes; a larger one
    /// is an error that is not retried.
    ///
    /// The service answers a read with about 4 MiB at most. The limit only
    /// keeps something that is not the service (a proxy, a wrong endpoint)
    /// from filling the memory. At least 1 byte and at most 1 GiB.
    ///
    /// Defaults to 64 MiB.
    pub fn max_response_size(mut self, bytes: usize) -> TunnelConfig {
        self.max_response_size = bytes;
        self
    }

    /// Adds a header to every request; it is signed like the others.
    ///
    /// The name must begin with `x-ots-`, in any case. Go ignores other names
    /// silently; here
    /// [`TunnelClient::with_config`](crate::TunnelClient::with_config) refuses
    /// them, as it does the names that the client sets itself (the date, the
    /// key, the signature, the trace id and so on).
    ///
    /// Go: `ExternalHeader`. Defaults to none.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> TunnelConfig {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The HTTP agent to make requests with: for a proxy or TLS roots of your
    /// own, or to share connections between clients.
    ///
    /// Build it from [`TunnelConfig::agent_config`], which has what a client
    /// needs. Whatever its own configuration says, redirects are not followed,
    /// a status is not an error of the agent, and the request timeout is that
    /// of this configuration.
    ///
    /// Defaults to an agent for this client and its clones, with the proxy of
    /// the environment (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`;
    /// none for a loopback endpoint) and Mozilla's TLS roots.
    pub fn agent(mut self, agent: Agent) -> TunnelConfig {
        self.agent = Some(agent);
        self
    }

    /// What the default agent is built from: idle connections for as many
    /// channels as read at once, no redirects, a status is no error.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tablestore_tunnel::TunnelConfig;
    ///
    /// let proxy = ureq::Proxy::new("http://proxy.example:3128")?;
    /// let agent = TunnelConfig::agent_config().proxy(Some(proxy)).build();
    /// let config = TunnelConfig::new().agent(agent.into());
    /// # Ok(())
    /// # }
    /// ```
    pub fn agent_config() -> ConfigBuilder<AgentScope> {
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(MAX_IDLE_CONNECTIONS)
            .max_idle_connections_per_host(MAX_IDLE_CONNECTIONS)
            .max_idle_age(MAX_IDLE_AGE)
            .input_buffer_size(INPUT_BUFFER)
            .output_buffer_size(OUTPUT_BUFFER)
    }
}

impl Default for TunnelConfig {
    fn default() -> TunnelConfig {
        TunnelConfig::new()
    }
}

impl fmt::Debug for TunnelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A header's value and an agent's proxy may hold a secret.
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("TunnelConfig")
            .field("request_timeout", &self.request_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_retry_elapsed_time", &self.max_retry_elapsed_time)
            .field("max_response_size", &self.max_response_size)
            .field("headers", &names)
            .field("own_agent", &self.agent.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_header_value() {
        let config = TunnelConfig::new().header("x-ots-custom", "perhaps-secret");
        let text = format!("{config:?}");
        assert!(text.contains("x-ots-custom") && !text.contains("perhaps-secret"));
    }
}
