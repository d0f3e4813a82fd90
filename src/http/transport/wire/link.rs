//! [`Link`]: a connection, plain or with something on top of it.

use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, RustlsConnector, Transport,
};

use super::tcp::Tcp;

/// A connection.
#[derive(Debug)]
pub(crate) enum Link {
    Tcp(Tcp),
    /// With TLS, through a proxy, or both.
    Other(Box<dyn Transport>),
}

impl Link {
    /// What comes next, into a buffer of the caller's: of plain TCP without a
    /// copy in between. None at the end of the connection.
    pub(crate) fn read_into(
        &mut self,
        buffer: &mut [u8],
        timeout: NextTimeout,
    ) -> Result<usize, Error> {
        if self.buffers().input().is_empty() {
            if let Link::Tcp(tcp) = self {
                return tcp.read_into(buffer, timeout);
            }
            self.await_input(timeout)?;
        }
        let buffers = self.buffers();
        let input = buffers.input();
        let len = input.len().min(buffer.len());
        let (Some(input), Some(buffer)) = (input.get(..len), buffer.get_mut(..len)) else {
            return Ok(0);
        };
        buffer.copy_from_slice(input);
        buffers.input_consume(len);
        Ok(len)
    }

    fn transport(&mut self) -> &mut dyn Transport {
        match self {
            Link::Tcp(tcp) => tcp,
            Link::Other(transport) => transport,
        }
    }
}

impl Transport for Link {
    fn buffers(&mut self) -> &mut dyn Buffers {
        match self {
            Link::Tcp(tcp) => tcp.buffers(),
            Link::Other(transport) => transport.buffers(),
        }
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.transport().transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.transport().await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport().is_open()
    }

    fn is_tls(&self) -> bool {
        match self {
            Link::Tcp(_) => false,
            Link::Other(transport) => transport.is_tls(),
        }
    }
}

/// ureq's TLS on top of a link, where the URL asks for it.
#[derive(Debug, Default)]
pub(crate) struct TlsConnector(RustlsConnector);

impl Connector<Link> for TlsConnector {
    type Out = Link;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<Link>,
    ) -> Result<Option<Link>, Error> {
        let link = self.0.connect(details, chained)?;
        Ok(link.map(|link| match link {
            Either::A(plain) => plain,
            Either::B(tls) => Link::Other(Box::new(tls)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::transport::wire::lent::Lent;
    use std::sync::Arc;

    /// Gets one part at a time.
    #[derive(Debug)]
    struct Parts {
        parts: Vec<&'static [u8]>,
        buffers: Lent,
    }

    impl Transport for Parts {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
            let Some(part) = self.parts.pop() else {
                return Ok(false);
            };
            self.buffers.input_append_buf()[..part.len()].copy_from_slice(part);
            self.buffers.input_appended(part.len());
            Ok(true)
        }

        fn is_open(&mut self) -> bool {
            true
        }

        fn is_tls(&self) -> bool {
            true
        }
    }

    #[test]
    fn what_lies_on_top_is_read_through_its_buffer() {
        let mut link = Link::Other(Box::new(Parts {
            parts: vec![b"f", b"cde", b"ab"],
            buffers: Lent::new(Arc::default()),
        }));
        assert!(link.is_tls() && link.is_open());
        let mut read = |len: usize| {
            let mut buffer = vec![0; len];
            let read = link.read_into(&mut buffer, NextTimeout::default());
            buffer.truncate(read.expect("no failure"));
            buffer
        };
        assert_eq!(read(9), b"ab", "what there is");
        assert_eq!(read(2), b"cd", "no more than is wanted");
        assert_eq!(read(9), b"e", "the rest of that");
        assert_eq!(read(9), b"f");
        assert_eq!(read(9), b"", "the end");
    }
}
