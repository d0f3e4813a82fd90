//! [`Request`], and parsing its head.

use httparse::Status;

/// The largest head that is read.
pub(crate) const MAX_HEAD: usize = 64 << 10;

/// The largest body that is read, as on the service.
pub(crate) const MAX_BODY: usize = 5 << 20;

const MAX_HEADERS: usize = 100;

/// The head of a request. The names of its headers are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Whether connections are kept by default (HTTP/1.1).
    keeps_by_default: bool,
}

/// A complete request.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request for a connection that is kept. The names of headers may be in
    /// any case.
    pub fn new<N: AsRef<str>, V: Into<String>>(
        method: impl Into<String>,
        path: impl Into<String>,
        headers: impl IntoIterator<Item = (N, V)>,
        body: Vec<u8>,
    ) -> Request {
        let headers = headers.into_iter();
        let head = Head {
            method: method.into(),
            path: path.into(),
            keeps_by_default: true,
            headers: headers
                .map(|(name, value)| (name.as_ref().to_ascii_lowercase(), value.into()))
                .collect(),
        };
        Request { head, body }
    }

    /// The request at the beginning of `bytes`, with its length in bytes;
    /// `None` if it is not complete.
    ///
    /// # Errors
    ///
    /// A text that says why the bytes are not a request.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, String> {
        let Some((head, start)) = Head::parse(bytes)? else {
            return Ok(None);
        };
        let end = start.saturating_add(head.body_length()?);
        let body = bytes.get(start..end).map(<[u8]>::to_vec);
        Ok(body.map(|body| (Request { head, body }, end)))
    }
}

impl Head {
    /// The head at the beginning of `bytes`, with its length; `None` if it is not
    /// complete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, String> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let status = request.parse(bytes).map_err(|error| error.to_string())?;
        let Status::Complete(length) = status else {
            return Ok(None);
        };
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        let header = |header: &httparse::Header<'_>| {
            let value = String::from_utf8_lossy(header.value);
            (header.name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let head = Head {
            method: text(request.method),
            path: text(request.path),
            keeps_by_default: request.version == Some(1),
            headers: request.headers.iter().map(header).collect(),
        };
        Ok(Some((head, length)))
    }

    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The length of the body.
    pub(crate) fn body_length(&self) -> Result<usize, String> {
        if self.header("transfer-encoding").is_some() {
            return Err("a body must come with its length, not in chunks".to_owned());
        }
        let length = self.header("content-length").unwrap_or("0");
        let length = length.parse();
        length.map_err(|_| "content-length is no number".to_owned())
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) fn expects_continue(&self) -> bool {
        let expect = self.header("expect");
        expect.is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }

    /// Whether another request may follow on this connection.
    pub(crate) fn keeps_alive(&self) -> bool {
        match self.header("connection") {
            Some(value) if value.eq_ignore_ascii_case("close") => false,
            Some(value) if value.eq_ignore_ascii_case("keep-alive") => true,
            _ => self.keeps_by_default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_may_be_in_any_case() {
        let bytes =
            b"POST /tunnel/list HTTP/1.1\r\nX-Ots-Date: now \r\nContent-Length: 3\r\n\r\nabc";
        let (head, length) = Head::parse(bytes).expect("a head").expect("complete");
        assert_eq!(bytes.len() - length, 3);
        assert_eq!(head.header("x-ots-date"), Some("now"));
        assert_eq!(head.body_length(), Ok(3));
        assert!(head.keeps_alive());
        assert_eq!(Head::parse(&bytes[..20]), Ok(None));
        assert!(Head::parse(b"\0\0\0\0 nothing\r\n\r\n").is_err());
    }

    #[test]
    fn connections_are_kept_by_version_and_header() {
        let keeps = |text: &str| {
            let head = Head::parse(text.as_bytes()).expect("a head");
            head.expect("complete").0.keeps_alive()
        };
        assert!(!keeps("POST / HTTP/1.0\r\n\r\n"));
        assert!(keeps("POST / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
        assert!(!keeps("POST / HTTP/1.1\r\nConnection: close\r\n\r\n"));
    }
}
