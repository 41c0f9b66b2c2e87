//! Flows' requests against a small web server that behaves as bad as services do, and PINs.

use super::*;
use hotline_base::Redacted;
use hotline_ivr::run::io::HttpRequest;
use rustls::RootCertStore;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

/// A service that answers each connection with the next of these, and gives what it was asked.
struct Service {
    address: SocketAddr,
    asked: mpsc::Receiver<String>,
}

/// How the service treats one connection.
enum Manner {
    /// Answers so, and closes.
    Answer(String),
    /// Takes the request and never answers.
    Silence,
    /// Closes at once.
    Close,
}

fn answer(status: &str, headers: &str, body: &str) -> Manner {
    let length = body.len();
    Manner::Answer(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}"))
}

impl Service {
    fn new(manners: Vec<Manner>) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (told, asked) = mpsc::channel();
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for manner in manners {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let text = match manner {
                    Manner::Close => String::new(),
                    _ => read_request(&mut stream),
                };
                let _nobody_looks = told.send(text);
                match manner {
                    Manner::Answer(answer) => drop(stream.write_all(answer.as_bytes())),
                    Manner::Silence => open.push(stream),
                    Manner::Close => {}
                }
            }
            // Held open until the test is over.
            let _end = told.send("end".into());
            std::thread::park_timeout(Duration::from_secs(20));
        });
        Service { address, asked }
    }

    fn url(&self) -> String {
        format!("http://{}/account?number=%2B1555", self.address)
    }

    fn policy(&self) -> HttpPolicy {
        let secrets = [("crm".to_string(), Redacted::new("hush-4711".to_string()))];
        let host = self.address.to_string();
        HttpPolicy::new([host.as_str()].into_iter(), &[self.address], secrets.into())
    }

    /// How often it was asked, once its list is through.
    fn times(&self) -> usize {
        self.asked.iter().take_while(|text| text != "end").count()
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        text.extend_from_slice(&buffer[..read]);
        let shown = String::from_utf8_lossy(&text).into_owned();
        let whole = shown.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
        });
        if whole || read == 0 {
            return shown;
        }
    }
}

fn request(method: &str, url: &str, retries: u8) -> HttpRequest {
    HttpRequest {
        method: method.into(),
        url: Redacted::new(url.into()),
        headers: Vec::new(),
        body: None,
        retries,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn ask(
    policy: &HttpPolicy,
    request: &HttpRequest,
    within_ms: u64,
) -> Result<serde_json::Value, String> {
    let client = Client::trusting(RootCertStore::empty()).unwrap();
    runtime().block_on(client.ask(policy, request, Duration::from_millis(within_ms), &turns()))
}

fn turns() -> http::Turns {
    let turn = || Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    Arc::new([turn(), turn()])
}

#[test]
fn a_request_carries_its_headers_body_and_secrets_and_its_json_comes_back() {
    let service = Service::new(vec![answer("200 OK", "", "{\"name\":\"Ada\"}")]);
    let mut post = request("POST", &service.url(), 0);
    post.headers = vec![("Authorization".into(), Redacted::new("Bearer {secret:crm}".into()))];
    post.body = Some(Redacted::new("{\"id\":7}".into()));
    assert_eq!(ask(&service.policy(), &post, 5_000), Ok(json!({ "name": "Ada" })));
    let asked = service.asked.recv().unwrap();
    assert!(asked.starts_with("POST /account?number=%2B1555 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer hush-4711\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: {}\r\n", service.address)), "{asked}");
    assert!(asked.ends_with("\r\n\r\n{\"id\":7}"), "{asked}");
}

#[test]
fn each_bad_answer_has_its_line() {
    let huge = format!("\"{}\"", "x".repeat(65 * 1024));
    for (manner, expected) in [
        (answer("200 OK", "", "<html>"), "127.0.0.1 answered something that is not JSON"),
        (answer("200 OK", "", &huge), "127.0.0.1 answered more than 64 KiB"),
        (
            answer("302 Found", "location: http://10.0.0.1/\r\n", ""),
            "127.0.0.1 answered 302: redirects are not followed",
        ),
        (answer("404 Not Found", "", "{}"), "127.0.0.1 answered 404"),
        (
            Manner::Answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}".into()),
            "127.0.0.1 broke its answer off",
        ),
        (Manner::Answer("SSH-2.0-x\r\n".into()), "127.0.0.1 broke the connection off"),
        (Manner::Silence, "127.0.0.1 did not answer in time"),
    ] {
        let service = Service::new(vec![manner]);
        let within_ms = if expected.ends_with("in time") { 200 } else { 5_000 };
        let done = ask(&service.policy(), &request("GET", &service.url(), 0), within_ms);
        assert_eq!(done, Err(expected.to_string()));
    }
}

#[test]
fn no_content_is_null() {
    let service = Service::new(vec![answer("204 No Content", "", "")]);
    let done = ask(&service.policy(), &request("DELETE", &service.url(), 0), 5_000);
    assert_eq!(done, Ok(serde_json::Value::Null));
}

#[test]
fn only_what_is_idempotent_is_tried_again_and_only_when_that_may_help() {
    let good = || answer("200 OK", "", "1");
    let service = Service::new(vec![Manner::Close, answer("503 Later", "", ""), good()]);
    assert_eq!(ask(&service.policy(), &request("GET", &service.url(), 2), 5_000), Ok(json!(1)));
    assert_eq!(service.times(), 3);
    for (method, status) in [("POST", "503 Later"), ("PATCH", "503 Later"), ("PUT", "400 No")] {
        let service = Service::new(vec![answer(status, "", ""), good()]);
        let done = ask(&service.policy(), &request(method, &service.url(), 3), 5_000);
        assert!(done.is_err(), "{method}");
        assert_eq!(service.asked.try_iter().count(), 1, "{method}");
    }
}

#[test]
fn the_deadline_is_over_all_tries_together() {
    let later = || answer("503 Later", "", "");
    let service = Service::new(vec![later(), later(), later(), later()]);
    let begun = std::time::Instant::now();
    let done = ask(&service.policy(), &request("GET", &service.url(), 3), 250);
    assert_eq!(done, Err("127.0.0.1 did not answer in time".into()));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

/// A service inside is asked by its name once both lists name the address.
#[test]
fn a_name_leads_inside_only_where_both_lists_name_the_address() {
    let service = Service::new(vec![answer("200 OK", "", "1")]);
    let address = service.address.to_string();
    let name = format!("localhost:{}", service.address.port());
    let get = request("GET", &format!("http://{name}/"), 0);
    let policy = |hosts: &[&str], opened: &[SocketAddr]| {
        HttpPolicy::new(hosts.iter().copied(), opened, BTreeMap::new())
    };
    for refusing in [
        policy(&[&name], &[service.address]),
        policy(&[&name, &address], &[]),
        policy(&[&name, &address], &["127.0.0.1:1".parse().unwrap()]),
    ] {
        let why = ask(&refusing, &get, 5_000).unwrap_err();
        assert!(why.contains("leads to an address that flows may not ask"), "{why}");
    }
    let agreed = policy(&[&name, &address], &[service.address]);
    assert_eq!(ask(&agreed, &get, 5_000), Ok(json!(1)));
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    for (text, expected) in [
        (None, "No such file"),
        (Some("nonsense"), "no certificate in it"),
        (Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let why = Client::new(Some(&file)).map(drop).unwrap_err();
        let begin = format!("[effects]: ca_file = {:?}; allowed ", file.display().to_string());
        assert!(why.starts_with(&begin) && why.contains(expected), "{why}");
    }
}

/// A name in the list that leads inside, as a name server under somebody else's control may say.
#[test]
fn what_is_not_listed_or_leads_inside_is_not_asked() {
    let service = Service::new(vec![answer("200 OK", "", "1")]);
    let port = service.address.port();
    let listed = format!("localhost:{port}");
    let policy = HttpPolicy::new([listed.as_str()].into_iter(), &[], BTreeMap::new());
    for (url, expected) in [
        (
            format!("http://localhost:{port}/"),
            "leads to an address that flows may not ask".to_string(),
        ),
        (service.url(), format!("127.0.0.1:{port} is not in the tenant's http_hosts")),
        (format!("http://user@localhost:{port}/"), "the address has a user in it".into()),
        ("ftp://localhost/".into(), "begins with neither https:// nor http://".into()),
        ("nonsense".into(), "begins with neither https:// nor http://".into()),
    ] {
        let why = ask(&policy, &request("GET", &url, 0), 5_000).unwrap_err();
        assert!(why.contains(&expected), "{url}: {why}");
    }
    assert_eq!(service.asked.try_iter().count(), 0, "nobody came");
}

#[test]
fn headers_of_the_connection_and_secrets_that_are_not_there_are_refused() {
    let service = Service::new(vec![answer("200 OK", "", "1")]);
    for (name, value, expected) in [
        ("Host", "evil", "header \"Host\" is not a flow's to set"),
        ("Content-Length", "0", "header \"Content-Length\" is not a flow's to set"),
        ("X-Key", "{secret:other}", "there is no secret \"other\""),
        ("X Key", "1", "\"X Key\" cannot name a header"),
    ] {
        let mut get = request("GET", &service.url(), 0);
        get.headers = vec![(name.into(), Redacted::new(value.into()))];
        assert_eq!(ask(&service.policy(), &get, 5_000), Err(expected.to_string()));
    }
    assert_eq!(service.asked.try_iter().count(), 0, "nobody came");
}

#[test]
fn a_secret_is_not_sent_in_the_clear_beyond_this_machine() {
    let service = Service::new(vec![answer("200 OK", "", "1")]);
    let secrets: BTreeMap<_, _> =
        [("crm".to_string(), Redacted::new("hush-4711".to_string()))].into();
    let port = service.address.port();
    let (name, other) = (format!("localhost:{port}"), "10.0.0.1:80");
    let policy =
        HttpPolicy::new([name.as_str(), other].into_iter(), &[other.parse().unwrap()], secrets);
    for host in [name.as_str(), other] {
        let mut get = request("GET", &format!("http://{host}/"), 0);
        get.headers = vec![("X-Key".into(), Redacted::new("{secret:crm}".into()))];
        let why = ask(&policy, &get, 5_000).unwrap_err();
        assert!(why.ends_with(": a secret is sent with https:// only"), "{why}");
    }
    assert_eq!(service.asked.try_iter().count(), 0, "nobody came");
}

#[test]
fn a_service_is_asked_over_tls_only_with_a_certificate_that_is_trusted_and_its_own() {
    let certificate = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_string()]).unwrap();
    let key =
        rustls::pki_types::PrivateKeyDer::Pkcs8(certificate.signing_key.serialize_der().into());
    let der = certificate.cert.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let runtime = runtime();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(config);
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let _asked = stream.read(&mut [0; 4096]).await;
                let text = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1";
                let _gone = stream.write_all(text).await;
                let _gone = stream.shutdown().await;
            }
        });
        let host = address.to_string();
        let policy = HttpPolicy::new([host.as_str()].into_iter(), &[address], BTreeMap::new());
        let get = request("GET", &format!("https://{address}/"), 3);
        let within = Duration::from_secs(5);
        let mut roots = RootCertStore::empty();
        roots.add(der).unwrap();
        let trusting = Client::trusting(roots).unwrap();
        assert_eq!(trusting.ask(&policy, &get, within, &turns()).await, Ok(json!(1)));
        let stranger = Client::trusting(RootCertStore::empty()).unwrap();
        let why = stranger.ask(&policy, &get, within, &turns()).await.unwrap_err();
        assert!(why.starts_with("127.0.0.1: TLS: "), "{why}");
        // Not its own name: the certificate is for the address.
        let name = format!("localhost:{}", address.port());
        let policy = HttpPolicy::new(
            [name.as_str(), host.as_str()].into_iter(),
            &[address],
            BTreeMap::new(),
        );
        let get = request("GET", &format!("https://{name}/"), 0);
        let why = trusting.ask(&policy, &get, within, &turns()).await.unwrap_err();
        assert!(why.starts_with("localhost: TLS: "), "{why}");
    });
}

fn performer(
    runtime: &tokio::runtime::Runtime,
) -> (Performer, mpsc::Receiver<(EffectId, EffectDone)>) {
    let (sender, done) = mpsc::channel();
    let answer = move |id, done| drop(sender.send((id, done)));
    let client = Client::trusting(RootCertStore::empty()).unwrap();
    let policies = Policies { tenants: BTreeMap::new(), client };
    let policies = watch::Sender::new(Arc::new(policies));
    let handle = runtime.handle().clone();
    let performer = Performer::start(handle, policies.subscribe(), Arc::new(answer)).unwrap();
    (performer, done)
}

fn verify(hash: &str, pin: &str) -> Effect {
    Effect::VerifyPin { hash: Redacted::new(hash.into()), pin: Redacted::new(pin.into()) }
}

#[test]
fn pins_are_compared_and_when_too_many_wait_the_next_fails_at_once() {
    let runtime = runtime();
    let (performer, done) = performer(&runtime);
    let hash = crate::config::pin::hash(&Redacted::new("20394857".into())).unwrap();
    let within = Duration::from_secs(5);
    for (id, hash, pin, expected) in
        [(1, hash.as_str(), "20394857", true), (2, &hash, "20394856", false), (3, "", "1", false)]
    {
        performer.perform(EffectId(id), Partition(1), verify(hash, pin), within);
        assert_eq!(done.recv(), Ok((EffectId(id), EffectDone::Pin(expected))));
    }
    // One tenant asks for more than may wait: another's are still compared, and soon.
    for id in 0..100 {
        performer.perform(EffectId(id), Partition(1), verify("", "1"), within);
    }
    performer.perform(EffectId(1_000), Partition(2), verify(&hash, "20394857"), within);
    let answers: Vec<_> = done.iter().take(101).collect();
    let failed = answers.iter().filter(|(_, done)| matches!(done, EffectDone::Failed(_))).count();
    assert!((1..=100 - pins::WAITING_OF_TENANT_MAX).contains(&failed), "{failed} were given up");
    let compared: Vec<_> =
        answers.iter().filter(|(_, done)| matches!(done, EffectDone::Pin(_))).collect();
    let other = compared.iter().position(|(id, _)| *id == EffectId(1_000)).unwrap();
    assert_eq!(compared[other].1, EffectDone::Pin(true));
    assert!(other + 10 < compared.len(), "{other} of {} were before it", compared.len());
    drop(performer);
    assert!(done.recv().is_err(), "its threads have ended");
}
