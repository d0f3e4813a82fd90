//! The connections under the HTTP client.
//!
//! ureq keeps idle connections in the order of their age, takes the oldest, and
//! goes through all of them some times a request, each by its address; its
//! sockets are asked and set up anew each time; an idle connection keeps its
//! buffers. For idle channels that was a large part of what a poll costs. So
//! its pool stays empty, and below it are:
//!
//! - [`agent`](mod@agent): the HTTP client, put together.
//! - [`idle`]: connections that wait for their next request.
//! - [`rest`]: the rest of an answer, read past the HTTP client.
//! - [`link`]: a connection, plain or with something on top of it.
//! - [`tcp`]: the link of ureq's chain that opens and drives connections.
//! - [`socket`]: a socket whose calls end in time.
//! - [`lent`]: buffers that an idle connection does not hold.

mod agent;
mod idle;
mod lent;
mod link;
mod rest;
mod socket;
mod tcp;

pub(crate) use self::agent::agent;
pub(crate) use self::rest::Rest;
