//! Host names, looked up now and then instead of at every request.
//!
//! ureq looks up the host before it looks for an idle connection, and on a
//! thread of its own where there is a timeout: one name query and one thread
//! for each read of each channel. Here the addresses are kept for a while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::clock;

/// Shorter than any retry schedule, so that a host that has moved is found by
/// the attempts of one request.
const KEPT: Duration = Duration::from_secs(10);

/// Looks names up as ureq does, and keeps the addresses for [`KEPT`].
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
        // The scheme too: it stands for the port where none is given.
        let host = format!("{scheme}://{authority}");
        let lookup = || self.lookup.resolve(uri, config, timeout);
        self.cache.get_or_look_up(host, clock::now(), lookup)
    }
}

/// The addresses of a client's few hosts: the endpoint's, perhaps a proxy's.
#[derive(Debug, Default)]
struct Cache(Mutex<HashMap<String, Entry>>);

#[derive(Clone, Debug)]
struct Entry {
    looked_up: Instant,
    addresses: ResolvedSocketAddrs,
}

impl Cache {
    /// The lock is not held while looking up; two threads may do it at once.
    fn get_or_look_up(
        &self,
        host: String,
        now: Instant,
        lookup: impl FnOnce() -> Result<ResolvedSocketAddrs, ureq::Error>,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let known = self.0.lock().get(&host).cloned();
        if let Some(entry) = &known
            && now.saturating_duration_since(entry.looked_up) < KEPT
        {
            return Ok(entry.addresses.clone());
        }
        match (lookup(), known) {
            (Ok(addresses), _) => {
                let entry = Entry {
                    looked_up: now,
                    addresses: addresses.clone(),
                };
                self.0.lock().insert(host, entry);
                Ok(addresses)
            }
            // A name server that is down for a while need not stop a consumer.
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
    fn addresses_are_kept_for_a_while() {
        let (cache, start) = (Cache::default(), clock::now());
        assert_eq!(port(&cache, "http://a", start, 1), 1);
        let moment = Duration::from_nanos(1);
        assert_eq!(port(&cache, "http://a", start + KEPT - moment, 2), 1);
        assert_eq!(port(&cache, "http://a", start + KEPT, 2), 2);
        assert_eq!(port(&cache, "http://a", start + KEPT + moment, 3), 2);
    }

    #[test]
    fn each_host_has_its_own() {
        let (cache, start) = (Cache::default(), clock::now());
        assert_eq!(port(&cache, "http://a", start, 1), 1);
        assert_eq!(port(&cache, "https://a", start, 2), 2);
        assert_eq!(port(&cache, "http://a", start, 3), 1);
    }

    #[test]
    fn old_addresses_serve_while_the_name_server_does_not() {
        let (cache, start) = (Cache::default(), clock::now());
        let fail = || Err(ureq::Error::HostNotFound);
        assert!(
            cache
                .get_or_look_up("http://a".into(), start, fail)
                .is_err()
        );
        port(&cache, "http://a", start, 1);
        let later = start + KEPT * 100;
        let found = cache.get_or_look_up("http://a".into(), later, fail);
        assert_eq!(found.expect("the old one")[0].port(), 1);
        assert_eq!(port(&cache, "http://a", later, 2), 2);
    }
}
