//! [`CachingResolver`]: caches the addresses of host names for a short time.
//!
//! ureq resolves the host before it looks for an idle connection, and starts a thread for
//! that if there is a timeout. Without a cache, each read of each channel would cost a DNS
//! query and a thread.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::clock;

/// How long an address is cached. Shorter than any retry schedule, so that the retries of
/// one request find a host that has moved.
const TTL: Duration = Duration::from_secs(10);

/// Resolves host names like ureq, and caches the addresses for [`TTL`].
#[derive(Debug, Default)]
pub(crate) struct CachingResolver {
    lookup: DefaultResolver,
    cache: Cache,
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        // The scheme is part of the key, because it determines the default port.
        let host = format!("{scheme}://{authority}");
        let lookup = || self.lookup.resolve(uri, config, timeout);
        self.cache.get_or_look_up(host, clock::now(), lookup)
    }
}

/// The addresses of a client's hosts. There are few, the endpoint and perhaps a proxy, so
/// the cache needs no limit.
#[derive(Debug, Default)]
struct Cache(Mutex<HashMap<String, Entry>>);

#[derive(Clone, Debug)]
struct Entry {
    looked_up: Instant,
    addresses: ResolvedSocketAddrs,
}

impl Cache {
    /// The lock is not held during a lookup, so two threads may resolve the same host at
    /// the same time.
    fn get_or_look_up(
        &self,
        host: String,
        now: Instant,
        lookup: impl FnOnce() -> Result<ResolvedSocketAddrs, ureq::Error>,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let known = self.0.lock().get(&host).cloned();
        if let Some(entry) = &known
            && now.saturating_duration_since(entry.looked_up) < TTL
        {
            return Ok(entry.addresses.clone());
        }
        // A failed lookup leaves the old entry as it is, so the next request tries again.
        match (lookup(), known) {
            (Ok(addresses), _) => {
                let entry = Entry {
                    looked_up: now,
                    addresses: addresses.clone(),
                };
                self.0.lock().insert(host, entry);
                Ok(addresses)
            }
            // An outage of the name server must not stop a consumer.
            (Err(_), Some(entry)) => Ok(entry.addresses),
            (Err(error), None) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(port: u16) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let address = |port| ([127, 0, 0, 1], port).into();
        let mut addresses = ResolvedSocketAddrs::from_fn(|_| address(0));
        addresses.push(address(port));
        Ok(addresses)
    }

    /// The port of the first address of `host`.
    fn port(cache: &Cache, host: &str, now: Instant, found: u16) -> u16 {
        let addresses = cache.get_or_look_up(host.into(), now, || addresses(found));
        addresses.expect("an address")[0].port()
    }

    #[test]
    fn addresses_are_cached_until_they_expire() {
        let (cache, start) = (Cache::default(), clock::now());
        assert_eq!(port(&cache, "http://a", start, 1), 1);
        let moment = Duration::from_nanos(1);
        assert_eq!(port(&cache, "http://a", start + TTL - moment, 2), 1);
        assert_eq!(port(&cache, "http://a", start + TTL, 2), 2);
        assert_eq!(port(&cache, "http://a", start + TTL + moment, 3), 2);
    }

    #[test]
    fn each_host_has_its_own_addresses() {
        let (cache, start) = (Cache::default(), clock::now());
        assert_eq!(port(&cache, "http://a", start, 1), 1);
        assert_eq!(port(&cache, "https://a", start, 2), 2);
        assert_eq!(port(&cache, "http://a", start, 3), 1);
    }

    #[test]
    fn expired_addresses_are_used_while_lookups_fail() {
        let (cache, start) = (Cache::default(), clock::now());
        let fail = || Err(ureq::Error::HostNotFound);
        assert!(
            cache
                .get_or_look_up("http://a".into(), start, fail)
                .is_err()
        );
        port(&cache, "http://a", start, 1);
        let later = start + TTL * 100;
        let found = cache.get_or_look_up("http://a".into(), later, fail);
        assert_eq!(found.expect("the old one")[0].port(), 1);
        assert_eq!(port(&cache, "http://a", later, 2), 2);
    }
}
