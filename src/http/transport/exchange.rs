//! [`Exchange`]: sends a signed request, and returns the head of its answer.
//!
//! The seam between this crate and the HTTP client: above it, requests are built, signed
//! and judged; below it, there are connections. A simulation puts a service of its own
//! below it.

use std::time::Duration;

use ureq::http::{Request, Response, header};
use ureq::{Agent, Body, Error};

#[cfg(simulation)]
use super::simulated::Simulated;

/// A signed request, and what its attempt may do.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) request: Request<&'a [u8]>,
    /// From looking up the host's name to the last byte of the answer.
    pub(crate) timeout: Duration,
    /// Not on a connection that was idle before.
    pub(crate) on_new_connection: bool,
    /// Whether the timeout is not the one that the client was built with.
    pub(crate) is_limited: bool,
}

/// What carries requests to the service.
pub(crate) enum Exchange {
    /// The crate's own HTTP client, built with the configured timeout.
    Own(Agent),
    /// The user's. What a request depends on is set with each request.
    Foreign(Agent),
    #[cfg(simulation)]
    Simulated(Simulated),
}

/// An answer whose head has been read.
pub(crate) enum Incoming {
    Http(Response<Body>),
    #[cfg(simulation)]
    Simulated(super::simulated::Answer),
}

impl Exchange {
    /// Whether the connections are those of this crate.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Exchange::Own(_))
    }

    pub(crate) fn send(&self, outgoing: Outgoing<'_>) -> Result<Incoming, Error> {
        let response = match self {
            // A configuration by request would cost the cached TLS configuration at each
            // new connection.
            Exchange::Own(agent) if !outgoing.is_limited => agent.run(outgoing.request),
            Exchange::Own(agent) => agent.run(limited(agent, outgoing)),
            Exchange::Foreign(agent) => agent.run(checked(agent, limited(agent, outgoing))),
            #[cfg(simulation)]
            Exchange::Simulated(simulated) => {
                return simulated.send(&outgoing).map(Incoming::Simulated);
            }
        };
        response.map(Incoming::Http)
    }
}

/// A request with the limits of its attempt.
fn limited<'a>(agent: &Agent, outgoing: Outgoing<'a>) -> Request<&'a [u8]> {
    let config = agent.configure_request(outgoing.request);
    let config = config.timeout_global(Some(outgoing.timeout));
    match outgoing.on_new_connection {
        // No idle connection is younger than that.
        true => config.max_idle_age(Duration::ZERO).build(),
        false => config.build(),
    }
}

/// A request with what has to hold whatever the user's agent is configured to do.
fn checked<'a>(agent: &Agent, request: Request<&'a [u8]>) -> Request<&'a [u8]> {
    agent
        .configure_request(request)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
}

impl Incoming {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Incoming::Http(response) => response.status().as_u16(),
            #[cfg(simulation)]
            Incoming::Simulated(answer) => answer.status,
        }
    }

    /// The value of a header; empty if it is missing or no text.
    pub(crate) fn header(&self, name: &'static str) -> String {
        match self {
            Incoming::Http(response) => {
                let value = response
                    .headers()
                    .get(header::HeaderName::from_static(name));
                let text = value.and_then(|value| value.to_str().ok());
                text.unwrap_or_default().to_owned()
            }
            #[cfg(simulation)]
            Incoming::Simulated(answer) => answer.header(name),
        }
    }

    /// The length of the body, if the head shows it.
    pub(crate) fn announced(&self) -> Option<u64> {
        match self {
            Incoming::Http(response) => response.body().content_length(),
            #[cfg(simulation)]
            Incoming::Simulated(answer) => Some(answer.announced),
        }
    }
}
