//! Keys, permissions, transport and untrusted data.
//!
//! # Keys
//!
//! - Use the key of a RAM user or role whose permissions are limited to what the program
//!   needs, not the key of the account. [`Credentials::from_env`](crate::Credentials::from_env)
//!   keeps the key out of code and command lines.
//! - For temporary keys, implement [`CredentialsProvider`](crate::CredentialsProvider) or
//!   pass a closure. The provider is called before every attempt of every request, so keys
//!   can be replaced at any time without a restart. While the provider fails, or the service
//!   rejects its keys, workers that have been connected keep their sessions and retry. See
//!   [Credentials that cannot be provided](crate::guide::errors#credentials-that-cannot-be-provided).
//! - Secrets and security tokens never appear in the `Debug` output, errors or logs of this
//!   crate. The same holds for channel tokens and the contents of records. Errors that your
//!   own callbacks and providers return are logged as they are.
//!
//! # Permissions
//!
//! A RAM policy names actions. [`TunnelClient`](crate::TunnelClient) needs
//! `ots:CreateTunnel`, `ots:ListTunnel`, `ots:DescribeTunnel` and `ots:DeleteTunnel`. Workers
//! need `ots:ConsumeTunnel`. A consumer that gets its tunnel's id from its configuration
//! needs only `ots:ConsumeTunnel`. The service's page on custom policies lists the names of
//! the resources.
//!
//! # Transport
//!
//! - `https://` endpoints use TLS by rustls with Mozilla's root certificates. `http://`
//!   endpoints are allowed because they are common inside a VPC. With `http://`, records can
//!   be read in transit: requests are signed but not encrypted.
//! - [`TunnelConfig::agent`](crate::TunnelConfig::agent) accepts an agent with your own root
//!   certificates, proxies or client certificates. By default, the proxy settings of the
//!   environment apply (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), except for
//!   loopback endpoints. SOCKS proxies are not supported.
//! - Redirects are not followed, so a signed request goes only to the endpoint.
//!
//! # Untrusted bytes
//!
//! - Lengths sent by the peer never determine an allocation, and
//!   [`max_response_size`](crate::TunnelConfig::max_response_size) limits the size of a
//!   response.
//! - Both checksums of every record are verified before your code sees the record.
//! - Arbitrary or damaged bytes cause an error, never a panic. Tests verify this.
//! - Checksums detect damage, but not manipulation. TLS protects against manipulation.
//! - The crate contains no unsafe code.
//!
//! # The emulator
//!
//! The emulator is meant for tests. It listens only on 127.0.0.1, and its keys are not
//! secret.
//!
//! To report a vulnerability, follow `SECURITY.md` in the repository.
