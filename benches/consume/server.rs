//! The server: a process that responds from memory, so that the client is the
//! bottleneck.
//!
//! It implements only the requests of a client that consumes channels without an
//! end. It checks nothing, and counts the requests by path.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use super::shape::Shape;
use super::wire;

/// The number of requests by path.
type Counts = Arc<Mutex<BTreeMap<String, u64>>>;

/// Complete responses by path, including their heads.
struct Answers(BTreeMap<&'static str, Vec<u8>>);

/// Prints the address, and then the counts for every line read from standard input,
/// until its end.
pub(crate) fn run(shape: Shape, channels: usize, has_records: bool) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    let answers = Arc::new(Answers::new(shape, channels, has_records));
    let counts = Counts::default();
    let counted = counts.clone();
    thread::spawn(move || accept(&listener, &answers, &counted));
    for line in io::stdin().lock().lines() {
        line?;
        println!("{}", format_counts(&counts));
    }
    Ok(())
}

fn format_counts(counts: &Counts) -> String {
    let counts = counts.lock();
    let counts = counts.iter().map(|(path, count)| format!("{path}={count}"));
    counts.collect::<Vec<_>>().join(" ")
}

fn accept(listener: &TcpListener, answers: &Arc<Answers>, counts: &Counts) {
    for stream in listener.incoming().flatten() {
        let (answers, counts) = (answers.clone(), counts.clone());
        let serve = move || {
            // An error means that the client has disconnected.
            let _ = serve(stream, &answers, &counts);
        };
        thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(serve)
            .expect("a thread for a connection");
    }
}

fn serve(mut stream: TcpStream, answers: &Answers, counts: &Counts) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(path) = read_request(&mut stream, &mut buffer)? {
        stream.write_all(answers.to(&path))?;
        // The lock is no bottleneck, because responses have several megabytes.
        *counts.lock().entry(path).or_default() += 1;
    }
    Ok(())
}

/// Removes the next request from the buffer, and returns its action.
fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<String>> {
    let mut chunk = [0; 4096];
    loop {
        if let Some((path, len)) = parse(buffer)
            && buffer.len() >= len
        {
            buffer.drain(..len);
            return Ok(Some(path));
        }
        match stream.read(&mut chunk)? {
            0 => return Ok(None),
            read => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}

/// The action and the length of the request with its body. `None` if the head is
/// incomplete.
fn parse(buffer: &[u8]) -> Option<(String, usize)> {
    let head = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let path = text.split(' ').nth(1)?.rsplit('/').next()?.to_owned();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |value| value.trim().parse().expect("a length"));
    Some((path, head + 4 + length))
}

impl Answers {
    fn new(shape: Shape, channels: usize, has_records: bool) -> Answers {
        let records = match has_records {
            true => shape.answer(),
            false => shape.empty_answer(),
        };
        let mut connect = Vec::new();
        wire::field(&mut connect, 1, b"client");
        let answers = [
            ("connect", connect),
            ("heartbeat", heartbeat(shape, channels)),
            ("getcheckpoint", checkpoint(shape)),
            ("readrecords", records),
            ("checkpoint", Vec::new()),
            ("shutdown", Vec::new()),
        ];
        let whole = answers.map(|(path, body)| (path, with_head(&body)));
        Answers(whole.into())
    }

    fn to(&self, path: &str) -> &[u8] {
        self.0.get(path).map_or(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            Vec::as_slice,
        )
    }
}

/// A response in which all channels are open and never change.
fn heartbeat(shape: Shape, channels: usize) -> Vec<u8> {
    let kind = if shape.is_stream {
        "stream"
    } else {
        "BaseData"
    };
    let mut answer = Vec::new();
    for channel in 0..channels {
        let mut message = Vec::new();
        wire::field(&mut message, 1, format!("{kind}_{channel}").as_bytes());
        message.extend([2 << 3, 1, 3 << 3, 1]);
        wire::field(&mut answer, 1, &message);
    }
    answer
}

fn checkpoint(shape: Shape) -> Vec<u8> {
    let mut answer = Vec::new();
    wire::field(&mut answer, 1, shape.token().as_bytes());
    answer.extend([2 << 3, 1]);
    answer
}

fn with_head(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n\
         x-ots-requestid: 0005bd1c-2b0e-3f1d-9cc1-720b0b5b8b5c\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
