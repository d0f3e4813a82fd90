//! [`IdleConnections`]: connections that wait for their next request.
//!
//! The one that was used last is taken first: it is the likeliest to be open
//! and in a cache, and what is more than is needed grows old and is closed.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ureq::Error;
use ureq::http::Uri;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::link::Link;
use super::rest::Rest;
use crate::clock;
use crate::http::request::endpoint::Endpoint;

/// Connects by another connector, unless a connection waits.
#[derive(Debug)]
pub(crate) struct IdleConnections<C> {
    connector: C,
    /// What the connections lead to. One to the proxy on the way there is not
    /// kept: it becomes a part of one that is.
    endpoint: Uri,
    has_proxy: bool,
    idle: Arc<Stack>,
}

impl<C: Connector<Out = Link>> IdleConnections<C> {
    pub(crate) fn new(connector: C, endpoint: &Endpoint, has_proxy: bool) -> IdleConnections<C> {
        IdleConnections {
            connector,
            // It was checked to be one.
            endpoint: endpoint.url().parse().unwrap_or_default(),
            has_proxy,
            idle: Arc::default(),
        }
    }

    /// Not a part of [`connect`](Connector::connect): the whole chain is on the
    /// stack, 16 KiB of it, which each thread would touch.
    #[inline(never)]
    fn open(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Link>, Error> {
        self.connector.connect(details, chained)
    }

    fn leads_to_endpoint(&self, details: &ConnectionDetails) -> bool {
        let uri = details.uri;
        uri.scheme() == self.endpoint.scheme()
            && uri.authority() == self.endpoint.authority()
            && details.config.proxy().is_some() == self.has_proxy
    }
}

impl<C: Connector<Out = Link>> Connector for IdleConnections<C> {
    type Out = Kept;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Kept>, Error> {
        let home = self.leads_to_endpoint(details).then(|| self.idle.clone());
        let max_age = details.config.max_idle_age();
        let waiting = home.as_ref().and_then(|idle| idle.take(max_age));
        let link = match waiting {
            Some(link) => link,
            None => match self.open(details, chained)? {
                Some(link) => link,
                None => return Ok(None),
            },
        };
        Ok(Some(Kept {
            link,
            is_idle: false,
            home,
        }))
    }
}

/// The connections that wait, the one that was used last at the end. No more
/// than were ever at work at once.
#[derive(Default)]
pub(crate) struct Stack(Mutex<VecDeque<Idle>>);

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stack").field(&self.0.lock().len()).finish()
    }
}

struct Idle {
    link: Link,
    since: Instant,
}

impl Stack {
    pub(crate) fn put(&self, link: Link) {
        let since = clock::now();
        self.0.lock().push_back(Idle { link, since });
    }

    /// The one that was used last, if it is open; those of that age are closed.
    fn take(&self, max_age: Duration) -> Option<Link> {
        loop {
            let mut newest = self.newest(max_age)?;
            if newest.is_open() {
                return Some(newest);
            }
        }
    }

    fn newest(&self, max_age: Duration) -> Option<Link> {
        let now = clock::now();
        let is_old = |idle: &Idle| now.saturating_duration_since(idle.since) >= max_age;
        let mut all = self.0.lock();
        let old = all.iter().take_while(|idle| is_old(idle)).count();
        let old: Vec<_> = all.drain(..old).collect();
        let newest = all.pop_back();
        drop(all);
        // Each closes a socket, while nobody waits for the lock.
        drop(old);
        Some(newest?.link)
    }
}

/// A connection of a request, which waits for the next when it is dropped idle.
#[derive(Debug)]
pub(crate) struct Kept {
    link: Link,
    /// Whether the last thing that was asked of it is whether it is open. ureq
    /// asks where an answer was read to its end and another request may follow.
    is_idle: bool,
    /// None: it is not to be kept.
    home: Option<Arc<Stack>>,
}

impl Transport for Kept {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.link.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.is_idle = false;
        self.link.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.is_idle = false;
        self.link.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.is_idle = self.link.is_open();
        self.is_idle
    }

    fn is_tls(&self) -> bool {
        self.link.is_tls()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let rest = Rest {
            link: mem::replace(&mut self.link, Link::Other(Box::new(()))),
            home: self.home.take(),
        };
        if let Some(rest) = rest.hand_over()
            && self.is_idle
            && let Some(home) = rest.home
        {
            home.put(rest.link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts its clones: one is this test's.
    #[derive(Debug)]
    struct Fake {
        _alive: Arc<()>,
        is_open: bool,
    }

    impl Transport for Fake {
        fn buffers(&mut self) -> &mut dyn Buffers {
            panic!("no one reads")
        }

        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
            Ok(true)
        }

        fn is_open(&mut self) -> bool {
            self.is_open
        }
    }

    fn fake(alive: &Arc<()>, is_open: bool) -> Link {
        let _alive = alive.clone();
        Link::Other(Box::new(Fake { _alive, is_open }))
    }

    fn kept(home: &Arc<Stack>, alive: &Arc<()>, is_open: bool) -> Kept {
        Kept {
            link: fake(alive, is_open),
            is_idle: false,
            home: Some(home.clone()),
        }
    }

    #[test]
    fn only_what_became_idle_and_was_not_used_since_waits() {
        let (home, alive) = (Arc::<Stack>::default(), Arc::new(()));
        let waits = |use_it: fn(&mut Kept), is_open| {
            let mut kept = kept(&home, &alive, is_open);
            use_it(&mut kept);
            drop(kept);
            home.take(Duration::MAX).is_some()
        };
        assert!(waits(|kept| assert!(kept.is_open()), true));
        assert!(!waits(|_| {}, true), "failed before it became idle");
        assert!(!waits(|kept| assert!(!kept.is_open()), false));
        let sends = |kept: &mut Kept| {
            assert!(kept.is_open());
            kept.transmit_output(1, NextTimeout::default())
                .expect("sent");
        };
        assert!(!waits(sends, true));
        let reads = |kept: &mut Kept| {
            assert!(kept.is_open());
            kept.await_input(NextTimeout::default()).expect("read");
        };
        assert!(!waits(reads, true));
        assert_eq!(Arc::strong_count(&alive), 1, "the others are closed");
    }

    #[test]
    fn what_is_not_to_be_kept_is_closed() {
        let alive = Arc::new(());
        let mut kept = kept(&Arc::default(), &alive, true);
        kept.home = None;
        assert!(kept.is_open());
        drop(kept);
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn the_last_comes_first_and_the_old_are_closed() {
        let (stack, old, new) = (Stack::default(), Arc::new(()), Arc::new(()));
        stack.put(fake(&old, true));
        stack.put(fake(&new, true));
        let first = stack.take(Duration::MAX).expect("one");
        assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (2, 2));
        drop(first);
        assert_eq!(Arc::strong_count(&new), 1, "it was that one");
        stack.put(fake(&new, false));
        assert!(
            stack.take(Duration::MAX).is_some(),
            "behind one that is closed"
        );
        stack.put(fake(&old, true));
        assert!(stack.take(Duration::ZERO).is_none());
        assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (1, 1));
    }
}
