//! [`Web`]: a web service as flows meet one: it answers well, badly, or not at all; and the
//! certificates ([`Authority`]) it shows.

use crate::within;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes that are too many for anybody.
const HUGE: usize = 64 * 1024 * 1024;

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// 200 with this body, as JSON.
    Json(String),
    /// Another status, with headers, each with its line end.
    Status(u16, String),
    /// 200 with JSON that does not end.
    Huge,
    /// Nothing, until the client has gone.
    Silence,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method and target, as in `GET /good`.
    pub line: String,
    /// Body.
    pub body: String,
}

/// Who signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    /// Its own certificate, PEM.
    pub pem: String,
}

impl Authority {
    /// A new one of this name.
    ///
    /// # Panics
    /// If no key can be made.
    pub fn new(name: &str) -> Authority {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: rcgen::Issuer::new(params, key), pem }
    }

    /// What a service of this name, or address, shows until the end of a year.
    ///
    /// # Panics
    /// If no certificate can be made.
    pub fn certifies(&self, name: &str, until: i32) -> Arc<ServerConfig> {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the usual versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .expect("a key that fits");
        Arc::new(config)
    }
}

/// A service that runs.
#[derive(Debug)]
pub struct Web {
    /// Where it is.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    stop: AtomicBool,
}

impl Web {
    /// Starts a service whose answers depend on method and target.
    ///
    /// # Panics
    /// If its address is taken.
    pub fn start(ip: IpAddr, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Web {
        Web::listen(ip, None, reply)
    }

    /// Starts a service that speaks HTTPS only.
    ///
    /// # Panics
    /// If its address is taken.
    pub fn start_tls(
        ip: IpAddr,
        tls: Arc<ServerConfig>,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Web {
        Web::listen(ip, Some(tls), reply)
    }

    fn listen(
        ip: IpAddr,
        tls: Option<Arc<ServerConfig>>,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Web {
        let listener = TcpListener::bind((ip, 0)).expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let (theirs, reply) = (Arc::clone(&shared), Arc::new(reply));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if theirs.stop.load(Ordering::Relaxed) {
                    return;
                }
                let (shared, reply) = (Arc::clone(&theirs), Arc::clone(&reply));
                let tls = tls.clone();
                std::thread::spawn(move || match tls {
                    None => serve(stream, &shared, reply.as_ref()),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).expect("a configuration");
                        serve(StreamOwned::new(connection, stream), &shared, reply.as_ref());
                    }
                });
            }
        });
        Web { address, shared, thread: Some(thread) }
    }

    /// What was asked so far, connections without a request included as empty ones.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until something was asked whose first line begins so.
    ///
    /// # Panics
    /// If it is not within `limit`.
    pub fn until_asked(&self, line: &str, limit: Duration) -> Request {
        let asked = || self.requests().into_iter().find(|request| request.line.starts_with(line));
        within(limit, asked).unwrap_or_else(|| panic!("no {line}, but {:#?}", self.requests()))
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _wakes_it = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve<S: Read + Write>(
    stream: S,
    shared: &Shared,
    reply: &(dyn Fn(&str) -> Reply + Send + Sync),
) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let mut length = 0;
    let _ = reader.read_line(&mut line);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap_or(0) <= 2 {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let line = line.trim_end_matches(" HTTP/1.1\r\n").to_owned();
    let body = String::from_utf8_lossy(&body).into_owned();
    let request = Request { line: line.clone(), body };
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    // The client may leave at any point.
    let mut stream = reader.into_inner();
    let _ = match reply(&line) {
        Reply::Json(body) => write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        ),
        Reply::Status(status, headers) => {
            write!(stream, "HTTP/1.1 {status} Other\r\n{headers}Content-Length: 0\r\n\r\n")
        }
        Reply::Huge => huge(&mut stream),
        Reply::Silence => stream.read(&mut [0]).map(drop),
    };
}

fn huge(stream: &mut impl Write) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[";
    stream.write_all(head.as_bytes())?;
    for _ in 0..HUGE / 4_096 {
        stream.write_all(&[b' '; 4_096])?;
    }
    stream.write_all(b"1]")
}
