//! The other end: a local server that speaks the service's real protocol.
