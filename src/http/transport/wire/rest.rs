//! [`Rest`]: the rest of an answer, read past the HTTP client.
//!
//! ureq reads a body into a buffer of its own, walks over it to log it (whether
//! or not anybody listens), and copies it: half of what fetching a batch costs.
//! So where it has read the head of an answer, a large body of known length is
//! read here, straight from the socket to where it stays.
//!
//! ureq tells nobody which connection an answer came over, but it drops the
//! connection with an answer that is not read to its end: on this thread, and
//! into our hands.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

use ureq::http::{Response, Version, header};
use ureq::unversioned::transport::{NextTimeout, Transport};
use ureq::{Body, Error, Timeout};

use super::idle::Stack;
use super::link::Link;
use crate::clock;

/// The connection that an answer comes over.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) link: Link,
    /// Where it waits for the next request, if it may.
    pub(crate) home: Option<Arc<Stack>>,
}

enum Handover {
    Nobody,
    /// Takes the next connection that is dropped.
    Taker,
    Given(Rest),
}

thread_local! {
    static HANDOVER: RefCell<Handover> = const { RefCell::new(Handover::Nobody) };
}

impl Rest {
    /// Takes the connection of an answer of which only the head was read; none
    /// if it is none of ours.
    pub(crate) fn of(answer: Response<Body>) -> Option<Rest> {
        let may_follow = may_follow(&answer);
        HANDOVER.set(Handover::Taker);
        drop(answer);
        match HANDOVER.replace(Handover::Nobody) {
            Handover::Given(rest) => Some(Rest {
                home: rest.home.filter(|_| may_follow),
                ..rest
            }),
            _ => None,
        }
    }

    /// For a connection that is dropped: hands it on if somebody takes it.
    pub(crate) fn hand_over(self) -> Option<Rest> {
        HANDOVER.with_borrow_mut(|handover| match handover {
            Handover::Taker => {
                *handover = Handover::Given(self);
                None
            }
            _ => Some(self),
        })
    }

    /// Fills the buffer.
    pub(crate) fn read_exact(&mut self, mut buffer: &mut [u8], due: Instant) -> Result<(), Error> {
        while !buffer.is_empty() {
            let timeout = NextTimeout {
                after: due.saturating_duration_since(clock::now()).into(),
                reason: Timeout::Global,
                ..NextTimeout::default()
            };
            match self.link.read_into(buffer, timeout)? {
                0 => return Err(Error::Io(ErrorKind::UnexpectedEof.into())),
                read => buffer = buffer.get_mut(read..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// The answer was read to its end: the next request may go over it.
    pub(crate) fn keep(mut self) {
        // More than the answer: nobody knows what that is.
        if !self.link.buffers().input().is_empty() {
            return;
        }
        if let Some(home) = self.home
            && self.link.is_open()
        {
            home.put(self.link);
        }
    }
}

/// Whether the server keeps the connection open.
fn may_follow(answer: &Response<Body>) -> bool {
    let closes = |value: &header::HeaderValue| {
        let options = value.to_str().unwrap_or_default().split(',');
        options
            .map(str::trim)
            .any(|option| option.eq_ignore_ascii_case("close"))
    };
    let mut options = answer.headers().get_all(header::CONNECTION).iter();
    answer.version() == Version::HTTP_11 && !options.any(closes)
}
