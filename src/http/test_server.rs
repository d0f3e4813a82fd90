//! A server on 127.0.0.1 that answers as it is told, to test what the HTTP side
//! makes of it. Knows nothing of tunnels.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use parking_lot::Mutex;

/// What is done with one request.
pub(crate) enum Step {
    /// Answered with a status, more lines of the head (each with its line end)
    /// and a body.
    Answer(u16, &'static str, Vec<u8>),
    /// Answered once as many requests wait as the barrier wants.
    Together(Arc<Barrier>, Vec<u8>),
    /// Answered in chunks of one byte.
    Chunked(Vec<u8>),
    /// Answered, and the connection closed without a word.
    AnswerAndClose(Vec<u8>),
    /// A body of that length is announced; this is sent, and the connection closed.
    Cut(usize, Vec<u8>),
    /// A body of that length is announced; this is sent, and nothing more until
    /// the server is dropped.
    Stall(usize, Vec<u8>),
    /// Closed without an answer.
    Close,
    /// Reset: closed with the request unread.
    Reset,
    /// Left waiting until the server is dropped.
    Silence,
}

/// A request as it came in.
pub(crate) struct Request {
    /// The number of its connection, from 0.
    pub(crate) connection: usize,
    pub(crate) uri: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Answers requests with its steps, in the order in which requests come in on
/// any connection; with status 400 when none is left.
pub(crate) struct TestServer {
    address: SocketAddr,
    requests: Receiver<Request>,
    /// Dropped to end what is silent, and the thread that accepts.
    running: Option<Sender<()>>,
}

struct Shared {
    steps: Mutex<VecDeque<Step>>,
    requests: Sender<Request>,
    ended: Receiver<()>,
}

impl TestServer {
    pub(crate) fn start(steps: impl IntoIterator<Item = Step>) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, requests) = unbounded();
        let (running, ended) = bounded(0);
        let shared = Arc::new(Shared {
            steps: Mutex::new(steps.into_iter().collect()),
            requests: sender,
            ended,
        });
        thread::spawn(move || accept(&listener, &shared));
        TestServer {
            address,
            requests,
            running: Some(running),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far that were read (a reset one is not).
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }

    /// Waits for the next request.
    pub(crate) fn next_request(&self) -> Request {
        self.requests.recv().expect("a request")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.running.take();
        // Wakes the thread that accepts; it may be gone already.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (connection, stream) in listener.incoming().enumerate() {
        let is_over = shared.ended.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected);
        let Ok(stream) = stream else { return };
        if is_over {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(connection, stream, &shared));
    }
}

/// One connection, until either side closes it.
fn serve(connection: usize, stream: TcpStream, shared: &Shared) {
    let mut writer = stream.try_clone().expect("a second handle");
    let mut reader = BufReader::new(stream);
    loop {
        // The step is taken once something has come in.
        match reader.get_ref().peek(&mut [0]) {
            Ok(1) => {}
            _ => return,
        }
        let step = shared.steps.lock().pop_front();
        if matches!(step, Some(Step::Reset)) {
            return;
        }
        let Some(request) = read_request(connection, &mut reader) else {
            return;
        };
        // The test may have heard enough.
        let _ = shared.requests.send(request);
        let none_left = Step::Answer(400, "", b"no step left".to_vec());
        if !answer(step.unwrap_or(none_left), &mut writer, shared) {
            return;
        }
    }
}

/// Whether the connection goes on.
fn answer(step: Step, writer: &mut TcpStream, shared: &Shared) -> bool {
    match step {
        Step::Answer(status, head, body) => {
            let _ = writer.write_all(&whole(status, head, body.len(), &body));
            true
        }
        Step::Together(barrier, body) => {
            barrier.wait();
            let _ = writer.write_all(&whole(200, "", body.len(), &body));
            true
        }
        Step::Chunked(body) => {
            let mut text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for byte in body {
                text.extend([b"1\r\n".as_slice(), &[byte], b"\r\n"].concat());
            }
            text.extend(b"0\r\n\r\n");
            let _ = writer.write_all(&text);
            true
        }
        Step::AnswerAndClose(body) => {
            let _ = writer.write_all(&whole(200, "", body.len(), &body));
            false
        }
        Step::Cut(announced, body) => {
            let _ = writer.write_all(&whole(200, "", announced, &body));
            false
        }
        Step::Stall(announced, body) => {
            let _ = writer.write_all(&whole(200, "", announced, &body));
            let _ = shared.ended.recv();
            false
        }
        Step::Silence => {
            let _ = shared.ended.recv();
            false
        }
        Step::Close | Step::Reset => false,
    }
}

fn whole(status: u16, head: &str, announced: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Said\r\nx-ots-requestid: req-{status}\r\n{head}content-length: \
         {announced}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn read_request(connection: usize, reader: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|length| *length > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let uri = lines.first()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> = lines
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Ok(0), |(_, length)| length.parse());
    let mut body = vec![0; length.expect("a length")];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        connection,
        uri,
        headers,
        body,
    })
}
