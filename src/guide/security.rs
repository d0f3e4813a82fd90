//! Keys, permissions, transport, and data that cannot be trusted.
//!
//! # Keys
//!
//! - Use the key of a RAM user or role that may do no more than this, not that of
//!   the account. [`Credentials::from_env`](crate::Credentials::from_env) keeps it out of
//!   code and command lines.
//! - Temporary keys: implement [`CredentialsProvider`](crate::CredentialsProvider), or
//!   pass a closure. It is asked before every attempt of every request, so keys can
//!   be exchanged at any time without a restart.
//! - Secrets and security tokens appear in no `Debug`, no error and no log of this
//!   crate; neither do tokens of channels and the contents of records. Errors of
//!   your own callbacks and providers are logged as they are.
//!
//! # Permissions
//!
//! A RAM policy names actions: `ots:CreateTunnel`, `ots:ListTunnel`,
//! `ots:DescribeTunnel`, `ots:DeleteTunnel` for [`TunnelClient`](crate::TunnelClient),
//! and `ots:ConsumeTunnel` for workers. A consumer that is given its tunnel's id needs
//! the last one only. The service's page on custom policies has the names of the
//! resources.
//!
//! # Transport
//!
//! - `https://` endpoints use TLS by rustls with Mozilla's roots. `http://` is taken
//!   too, as endpoints within a VPC are used that way; then the records are readable on
//!   the way, and requests are signed but not secret.
//! - [`TunnelConfig::agent`](crate::TunnelConfig::agent) takes an agent with roots,
//!   proxies or client certificates of your own. By default the proxy of the
//!   environment is used (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
//! - Redirects are not followed: a signed request goes to the endpoint only.
//!
//! # Untrusted bytes
//!
//! Lengths that the other side sends size no allocation, an answer is limited by
//! [`max_response_size`](crate::TunnelConfig::max_response_size), every record is
//! checked with both of its checksums before your code sees it, and arbitrary or
//! damaged bytes are an error, never a panic (tests try). The checksums find damage,
//! not intent: against that there is TLS. The crate has no unsafe code.
//!
//! # The emulator
//!
//! It listens on 127.0.0.1 only, and is meant for tests. Its keys are no secret.
//!
//! Report a vulnerability as `SECURITY.md` in the repository says.
