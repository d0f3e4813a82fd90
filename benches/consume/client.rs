//! The clients in this program, each in its own process: this crate's client, and
//! the floor, which is a lower bound for every client.

use std::hint::black_box;
use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tablestore_tunnel::{
    ChannelContext, ProcessResult, Record, RecordColumn, SimpleProcessFactory, TunnelClient,
    TunnelConfig, TunnelWorkerConfig, TunnelWorkerDaemon,
};

use ureq::Agent;

use super::shape::Shape;

/// The client, and how it processes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A client that fetches the bodies with the crate's HTTP client and decodes nothing.
    Floor,
    /// Like `Floor`, over plain sockets without an HTTP client.
    Socket,
    /// This crate with a callback that counts records.
    Count,
    /// This crate with a callback that reads every cell.
    Cells,
    /// This crate with a callback that copies every record out of its batch.
    Detach,
    /// The Go SDK with a callback that counts records. The SDK decodes all cells
    /// before the callback.
    Go,
}

impl Kind {
    pub(crate) const ALL: [Kind; 6] = [
        Kind::Socket,
        Kind::Floor,
        Kind::Count,
        Kind::Cells,
        Kind::Detach,
        Kind::Go,
    ];

    /// The name on the command line and in the chart.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Socket => "socket",
            Kind::Floor => "floor",
            Kind::Count => "count",
            Kind::Cells => "cells",
            Kind::Detach => "detach",
            Kind::Go => "go",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The number of records consumed.
type Count = Arc<AtomicU64>;

/// Consumes, and prints the count for every line read from standard input, until
/// its end.
pub(crate) fn run(kind: Kind, endpoint: &str, shape: Shape, channels: usize) -> io::Result<()> {
    let count = Count::default();
    match kind {
        Kind::Floor => floor(endpoint, shape, channels, &count),
        Kind::Socket => socket(endpoint, shape, channels, &count),
        _ => worker(kind, endpoint, &count),
    }
    for line in io::stdin().lock().lines() {
        line?;
        println!("{}", count.load(Ordering::Relaxed));
    }
    Ok(())
}

fn worker(kind: Kind, endpoint: &str, count: &Count) {
    let client = TunnelClient::new(endpoint, "bench", "id", "secret").expect("a client");
    let count = count.clone();
    let factory = SimpleProcessFactory::new(
        move |_: &ChannelContext, records: &[Record]| -> ProcessResult {
            match kind {
                Kind::Cells => records.iter().for_each(visit),
                Kind::Detach => drop(black_box(
                    records.iter().map(Record::detach).collect::<Vec<_>>(),
                )),
                _ => {}
            }
            count.fetch_add(records.len() as u64, Ordering::Relaxed);
            Ok(())
        },
    );
    let config = TunnelWorkerConfig::builder(factory)
        .build()
        .expect("a configuration");
    let daemon = TunnelWorkerDaemon::new(client, "tunnel", config);
    thread::spawn(move || daemon.run().expect("a session"));
}

fn visit(record: &Record) {
    for column in record.primary_key() {
        black_box((column.name(), column.value()));
    }
    let columns = record.columns().chain(record.origin_columns());
    columns.for_each(|column: RecordColumn<'_>| {
        black_box((column.name(), column.value(), column.timestamp()));
    });
}

/// Starts a thread for each channel, each with a connection and a buffer. The HTTP
/// client has the same configuration as in this crate.
fn floor(endpoint: &str, shape: Shape, channels: usize, count: &Count) {
    let agent: Agent = TunnelConfig::agent_config().build().into();
    let url = format!("{endpoint}/tunnel/readrecords");
    for _ in 0..channels {
        let (agent, url, count) = (agent.clone(), url.clone(), count.clone());
        thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || fetch(&agent, &url, shape.batch() as u64, &count).expect("answers"))
            .expect("a thread for a channel");
    }
}

fn fetch(agent: &Agent, url: &str, records: u64, count: &Count) -> Result<(), ureq::Error> {
    let mut buffer = Vec::new();
    loop {
        let answer = agent.post(url).send(&[])?;
        let body = answer.into_body();
        let length = body.content_length().unwrap_or_default() as usize;
        buffer.resize(length, 0);
        let mut body = body.into_with_config().limit(u64::MAX).reader();
        body.read_exact(&mut buffer)?;
        // Read to the end, so that the connection is reused.
        io::copy(&mut body, &mut io::sink())?;
        black_box(&buffer);
        count.fetch_add(records, Ordering::Relaxed);
    }
}

/// Like [`floor`], over plain sockets. Shows the share of the HTTP client.
fn socket(endpoint: &str, shape: Shape, channels: usize, count: &Count) {
    for _ in 0..channels {
        let address = endpoint.trim_start_matches("http://").to_owned();
        let count = count.clone();
        thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || pull(&address, shape.batch() as u64, &count).expect("answers"))
            .expect("a thread for a channel");
    }
}

fn pull(address: &str, records: u64, count: &Count) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16 << 10];
    loop {
        stream.write_all(b"POST /tunnel/readrecords HTTP/1.1\r\nContent-Length: 0\r\n\r\n")?;
        let (head, read) = read_head(&mut stream, &mut buffer)?;
        let whole = head.0 + head.1;
        if buffer.len() < whole {
            buffer.resize(whole, 0);
        }
        stream.read_exact(&mut buffer[read..whole])?;
        black_box(&buffer);
        count.fetch_add(records, Ordering::Relaxed);
    }
}

/// The lengths of head and body, and the number of bytes read of both.
fn read_head(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<((usize, usize), usize)> {
    let mut read = 0;
    loop {
        match stream.read(&mut buffer[read..16 << 10])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
        let ends = |bytes: &[u8]| bytes == b"\r\n\r\n";
        if let Some(end) = buffer[..read].windows(4).position(ends) {
            let head = String::from_utf8_lossy(&buffer[..end]);
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .map_or(0, |length| length.parse().expect("a length"));
            return Ok(((end + 4, length), read));
        }
    }
}
