//! The HTTP client, where the user brings none.

use std::sync::Arc;

use ureq::config::Config;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, Proxy, ProxyProtocol};

use super::idle::IdleConnections;
use super::lent::Stock;
use super::link::TlsConnector;
use super::tcp::TcpConnector;
use crate::clock;
use crate::config::TunnelConfig;
use crate::http::request::endpoint::Endpoint;
use crate::http::transport::dns::CachingResolver;

/// The chain of ureq's default connector with a TCP link of ours, and idle
/// connections kept by us around it.
pub(crate) fn agent(endpoint: &Endpoint, config: &TunnelConfig) -> Agent {
    assemble(endpoint, agent_config(endpoint, config))
}

fn assemble(endpoint: &Endpoint, config: Config) -> Agent {
    let stock = Arc::<Stock>::default();
    let chain =
        ().chain(ConnectProxyConnector::default())
            .chain(TcpConnector(stock))
            .chain(TlsConnector::default());
    let connector = IdleConnections::new(chain, endpoint, config.proxy().is_some());
    Agent::with_parts(config, connector, CachingResolver::default())
}

fn agent_config(endpoint: &Endpoint, config: &TunnelConfig) -> Config {
    let builder = TunnelConfig::agent_config()
        .timeout_global(Some(clock::at_most_a_century(config.request_timeout)))
        .timeout_connect(Some(clock::at_most_a_century(config.connect_timeout)))
        // All are given back to us.
        .max_idle_connections(0);
    // A proxy's loopback is another machine's, as the Go SDK has it too.
    let config = match endpoint.is_loopback() {
        true => builder.proxy(None).build(),
        false => builder.build(),
    };
    if config.proxy().is_some_and(is_socks) {
        log::warn!("the proxy of the environment is not used: SOCKS is not supported");
    }
    config
}

/// What ureq's own chain warns of.
fn is_socks(proxy: &Proxy) -> bool {
    !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::transport::body::Bodies;
    use crate::http::transport::exchange::Incoming;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;
    use ureq::tls::{Certificate, RootCerts, TlsConfig};

    /// A proxy for one connection, which is the service as well: the requests
    /// on it, by their first lines, until the client closes it.
    fn proxy(listener: TcpListener) -> Vec<String> {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut lines = BufReader::new(stream.try_clone().expect("a handle")).lines();
        let mut requests = Vec::new();
        while let Some(Ok(first)) = lines.next() {
            requests.push(first);
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let answer = match requests.len() {
                1 => "HTTP/1.1 200 Connected\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            };
            stream.write_all(answer.as_bytes()).expect("sent");
        }
        requests
    }

    #[test]
    fn a_connection_through_a_proxy_is_used_again_as_what_it_is() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let served = thread::spawn(move || proxy(listener));
        let proxy = Proxy::new(&format!("http://{address}")).expect("a proxy");
        let config = TunnelConfig::agent_config().max_idle_connections(0);
        let endpoint = Endpoint::new("http://service.example", "inst").expect("an endpoint");
        let agent = assemble(&endpoint, config.proxy(Some(proxy)).build());
        for _ in 0..3 {
            let mut answer = agent
                .post("http://service.example/a")
                .send_empty()
                .expect("an answer");
            assert_eq!(answer.body_mut().read_to_string().expect("a body"), "ok");
        }
        drop(agent);
        let (connect, post) = ("CONNECT service.example:80 HTTP/1.1", "POST /a HTTP/1.1");
        assert_eq!(served.join().expect("proxy"), [connect, post, post, post]);
    }

    /// A TLS server, by a certificate and a key that are good for nothing else,
    /// for so many connections, with as many requests on each.
    /// Answers each with `body`.
    fn tls_server(listener: TcpListener, connections: usize, requests: usize, body: Vec<u8>) {
        let certificate = include_bytes!("tls_test/certificate.der").to_vec().into();
        let key = PrivatePkcs8KeyDer::from(include_bytes!("tls_test/key.der").to_vec());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key.into())
            .expect("a certificate");
        let config = Arc::new(config);
        for _ in 0..connections {
            let (stream, _) = listener.accept().expect("a connection");
            let server = ServerConnection::new(config.clone()).expect("a server");
            let mut stream = StreamOwned::new(server, stream);
            for _ in 0..requests {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("a request");
                    head.extend(byte);
                }
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(answer.as_bytes()).expect("sent");
                stream.write_all(&body).expect("sent");
                stream.flush().expect("sent");
            }
        }
    }

    #[test]
    fn tls_is_spoken_over_a_connection_of_ours_which_is_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let body: Vec<u8> = (0..100_000).map(|place| (place / 7) as u8).collect();
        let served = {
            let body = body.clone();
            thread::spawn(move || tls_server(listener, 1, 3, body))
        };
        let roots = RootCerts::from(vec![Certificate::from_der(include_bytes!(
            "tls_test/certificate.der"
        ))]);
        let tls = TlsConfig::builder().root_certs(roots).build();
        let config = TunnelConfig::agent_config()
            .max_idle_connections(0)
            .proxy(None)
            .tls_config(tls)
            .build();
        let endpoint = Endpoint::new(&url, "inst").expect("an endpoint");
        let agent = assemble(&endpoint, config);
        let bodies = Bodies::new();
        let due = clock::after(clock::now(), Duration::from_secs(60));
        // Past the HTTP client, through it, and past it again.
        for due in [Some(due), None, Some(due)] {
            let answer = agent.post(&url).send_empty().expect("an answer");
            let answer = Incoming::Http(answer);
            let read = bodies.read(answer, body.len(), due).expect("a body");
            assert_eq!(read, body);
        }
        served.join().expect("one connection for all");
    }
}
