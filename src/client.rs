//! `TunnelClient`: the meta API.
