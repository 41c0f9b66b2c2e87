//! HTTP requests of flows, each on a connection of its own.
//!
//! Owns: that the address that was checked is the one connected to, TLS, the deadline over all
//! tries, the largest answer, what may be tried again. Does not own: whom a tenant's flows may ask
//! ([`super::allow`]), what follows from an answer (the flow).

use super::allow::{Forbidden, HttpPolicy, Permission, is_inside};
use hotline_ivr::read::HEADERS_OF_CONNECTION;
use hotline_ivr::run::io::HttpRequest;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsConnector;

/// Largest answer read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 3;
/// Before the first try that follows a failed one; twice as long before the next.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest that one address is waited for; never more than a third of the time for all tries, so
/// that an address that swallows packets leaves time for the next one.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// What a request may be under way with: one of the node's and one of the tenant's.
pub(super) type Turns = Arc<[OwnedSemaphorePermit; 2]>;

/// What makes TLS connections; cheap to clone.
#[derive(Clone)]
pub struct Client {
    tls: TlsConnector,
}

/// Why a try failed.
struct Failed {
    /// One line without personal data.
    why: String,
    /// Whether another try may go better.
    again: bool,
}

fn never(why: impl Into<String>) -> Failed {
    Failed { why: why.into(), again: false }
}

fn perhaps(why: impl Into<String>) -> Failed {
    Failed { why: why.into(), again: true }
}

/// A request that was checked.
struct Checked {
    method: Method,
    uri: Uri,
    host: String,
    port: u16,
    tls: bool,
    permission: Permission,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    /// A client that trusts the authorities that the machine trusts, and those of a file.
    ///
    /// # Errors
    /// One line: the file cannot be used.
    pub fn new(ca_file: Option<&Path>) -> Result<Client, String> {
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "a trusted certificate of this machine cannot be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(native.certs);
        if let Some(file) = ca_file {
            for certificate in authorities(file)? {
                roots.add(certificate).map_err(|error| unusable(file, &error))?;
            }
        }
        Client::trusting(roots)
    }

    /// A client that trusts these.
    pub(super) fn trusting(roots: RootCertStore) -> Result<Client, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .map_err(|error| format!("HTTPS of flows: {error}"))?;
        let config = versions.with_root_certificates(roots).with_no_client_auth();
        Ok(Client { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Asks, within the time for all tries together, and gives the answer's JSON. The turns are
    /// held as long as anything of the request is under way.
    ///
    /// # Errors
    /// Why there is none, in one line without personal data.
    pub async fn ask(
        &self,
        policy: &HttpPolicy,
        request: &HttpRequest,
        within: Duration,
        turns: &Turns,
    ) -> Result<Json, String> {
        let checked = check(policy, request)?;
        let attempt = CONNECT_MAX.min(within / 3);
        let tries = async {
            let mut left = if is_idempotent(&checked.method) { request.retries } else { 0 };
            let mut pause = PAUSE;
            loop {
                match self.try_once(&checked, attempt, turns).await {
                    Ok(answer) => return Ok(answer),
                    Err(Failed { again: true, .. }) if left > 0 => {
                        left -= 1;
                        tokio::time::sleep(pause).await;
                        pause *= 2;
                    }
                    Err(Failed { why, .. }) => return Err(why),
                }
            }
        };
        match tokio::time::timeout(within, tries).await {
            Ok(result) => result,
            Err(_) => Err(format!("{} did not answer in time", checked.host)),
        }
    }

    async fn try_once(
        &self,
        request: &Checked,
        attempt: Duration,
        turns: &Turns,
    ) -> Result<Json, Failed> {
        let stream = connect(request, attempt, turns).await?;
        let _saves_a_round_trip = stream.set_nodelay(true);
        if !request.tls {
            return exchange(TokioIo::new(stream), request).await;
        }
        let name = ServerName::try_from(request.host.clone())
            .map_err(|_| never("the host of an https address must be a name or an address"))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| {
            // The certificate will be the same at the next try.
            let why = format!("{}: TLS: {error}", request.host);
            if error.kind() == std::io::ErrorKind::InvalidData { never(why) } else { perhaps(why) }
        })?;
        exchange(TokioIo::new(stream), request).await
    }
}

/// The certificates of a PEM file; at least one.
fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| unusable(file, &error))?;
    if found.is_empty() {
        return Err(unusable(file, &"no certificate in it"));
    }
    Ok(found)
}

fn unusable(file: &Path, why: &dyn std::fmt::Display) -> String {
    let file = file.display().to_string();
    format!("[effects]: ca_file = {file:?}; allowed a file of certificates in PEM, or \"\": {why}")
}

/// RFC 9110 §9.2.2: only what has the same effect twice may be tried twice.
fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::PUT, Method::DELETE].contains(method)
}

fn check(policy: &HttpPolicy, request: &HttpRequest) -> Result<Checked, String> {
    let method = match request.method.as_str() {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        _ => return Err("the method is none of GET, POST, PUT, PATCH, DELETE".into()),
    };
    let uri: Uri = request.url.expose().parse().map_err(|_| "the address is no URL")?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err("the address begins with neither https:// nor http://".into()),
    };
    let authority = uri.authority().ok_or("the address has no host")?;
    if authority.as_str().contains('@') {
        return Err("the address has a user in it".into());
    }
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let host = authority.host().to_ascii_lowercase();
    let permission = policy.permits(&host, port).map_err(|why| match why {
        Forbidden::NotListed => {
            format!("{host}:{port} is not in the tenant's http_hosts, so flows may not ask it")
        }
        Forbidden::Inside => format!(
            "{host}:{port} is inside and not in the node's [effects] inside_hosts, so flows may not ask it"
        ),
    })?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_string();
    let is_local = matches!(permission, Permission::Address(address) if address.ip().is_loopback());
    if !tls && !is_local && request.headers.iter().any(|(_, value)| has_secret(value.expose())) {
        return Err(format!("{host}: a secret is sent with https:// only"));
    }
    let headers = headers(policy, request)?;
    let body = request.body.as_ref().map(|body| Bytes::from(body.expose().clone()));
    let body = body.unwrap_or_default();
    Ok(Checked { method, uri, host, port, tls, permission, headers, body })
}

fn headers(policy: &HttpPolicy, request: &HttpRequest) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let agent = HeaderValue::from_static(concat!("Hotline/", env!("CARGO_PKG_VERSION")));
    headers.insert(header::USER_AGENT, agent);
    if request.body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in &request.headers {
        let header: HeaderName =
            name.parse().map_err(|_| format!("{name:?} cannot name a header"))?;
        if HEADERS_OF_CONNECTION.contains(&header.as_str()) {
            return Err(format!("header {name:?} is not a flow's to set"));
        }
        let mut value = HeaderValue::from_str(&with_secrets(policy, value.expose())?)
            .map_err(|_| format!("header {name:?}: its value has characters no header may have"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// How a secret's place in a header value begins.
const BEGIN: &str = "{secret:";

fn has_secret(text: &str) -> bool {
    text.contains(BEGIN)
}

/// Fills in `{secret:NAME}`.
fn with_secrets(policy: &HttpPolicy, text: &str) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let Some((name, behind)) = after.split_once('}') else { break };
        let secret =
            policy.secrets.get(name).ok_or_else(|| format!("there is no secret {name:?}"))?;
        filled.push_str(before);
        filled.push_str(secret.expose());
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Connects to an address that was checked: the same one, so that a name that changes meanwhile
/// leads nowhere else.
async fn connect(request: &Checked, attempt: Duration, turns: &Turns) -> Result<TcpStream, Failed> {
    let addresses: Vec<SocketAddr> = match &request.permission {
        Permission::Address(address) => vec![*address],
        Permission::Named { agreed } => {
            let found = look_up(request.host.clone(), request.port, Arc::clone(turns)).await;
            let found =
                found.ok_or_else(|| perhaps(format!("{} cannot be resolved", request.host)))?;
            let open = |address: &SocketAddr| !is_inside(address.ip()) || agreed.contains(address);
            found.into_iter().filter(open).take(ADDRESSES_MAX).collect()
        }
    };
    if addresses.is_empty() {
        return Err(never(format!("{} leads to an address that flows may not ask", request.host)));
    }
    let mut why = String::new();
    for address in addresses {
        match tokio::time::timeout(attempt, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why = format!("{}: {}", request.host, error.kind()),
            Err(_) => why = format!("{}: no connection in time", request.host),
        }
    }
    Err(perhaps(why))
}

/// The addresses of a name. A look-up ends when the machine's resolver does, also when nobody waits
/// for it any more; it keeps its turns until then, so that a dead name server does not gather
/// threads without limit.
async fn look_up(host: String, port: u16, turns: Turns) -> Option<Vec<SocketAddr>> {
    let looking = tokio::spawn(async move {
        let _held = turns;
        let found = tokio::net::lookup_host((host.as_str(), port)).await.ok()?;
        Some(found.collect())
    });
    looking.await.ok().flatten()
}

/// One request and its answer.
async fn exchange<S>(io: TokioIo<S>, request: &Checked) -> Result<Json, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |_| perhaps(format!("{} broke the connection off", request.host));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(lost)?;
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = request.uri.authority().map_or("", |authority| authority.as_str());
    let mut message = Request::builder()
        .method(request.method.clone())
        .uri(path)
        .header(header::HOST, authority)
        .body(Full::new(request.body.clone()))
        .map_err(|_| never("the request cannot be written"))?;
    message.headers_mut().extend(request.headers.clone());
    let answered = async {
        let answer = sender.send_request(message).await.map_err(lost)?;
        let status = answer.status();
        refused(&request.host, status)?;
        let limited = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        let body = limited.collect().await.map_err(|error| {
            match error.downcast_ref::<LengthLimitError>() {
                Some(_) => never(format!("{} answered more than 64 KiB", request.host)),
                None => perhaps(format!("{} broke its answer off", request.host)),
            }
        })?;
        let body = body.to_bytes();
        if body.is_empty() {
            return Ok(Json::Null);
        }
        serde_json::from_slice(&body)
            .map_err(|_| never(format!("{} answered something that is not JSON", request.host)))
    };
    // The connection ends with its only answer, or when nobody waits any more.
    tokio::pin!(connection);
    tokio::pin!(answered);
    let mut closed = false;
    loop {
        tokio::select! {
            result = &mut answered => return result,
            _ = &mut connection, if !closed => closed = true,
        }
    }
}

/// Whether a status is no answer.
fn refused(host: &str, status: StatusCode) -> Result<(), Failed> {
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        let status = status.as_u16();
        return Err(never(format!("{host} answered {status}: redirects are not followed")));
    }
    let why = format!("{host} answered {}", status.as_u16());
    match status.as_u16() {
        408 | 425 | 429 | 502..=504 => Err(perhaps(why)),
        _ => Err(never(why)),
    }
}
