//! Who may hold a connection to the API, and for how long.
//!
//! Owns: accepting connections, how many there may be at once, how long a client may take to send
//! a request's headers or stay silent between requests. Does not own: what a request does.
//!
//! Whoever opens connections and says nothing, or says it a byte at a time, is cut off; at the
//! limit further clients wait in the kernel's queue until somebody leaves.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at once; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 512;
/// Longest a client may take to send the headers of a request, from the connection's beginning or
/// the last answer on.
pub const HEADERS_TIME_MAX: Duration = Duration::from_secs(15);
/// Pause when no connection can be accepted, as when there are no descriptors left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves for the life of the process.
pub async fn serve(listener: TcpListener, router: Router) {
    serve_patiently(listener, router, HEADERS_TIME_MAX).await;
}

async fn serve_patiently(listener: TcpListener, router: Router, headers_time_max: Duration) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Never closed: there is always a place in the end.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "no connection to the API could be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            let builder = builder.timer(TokioTimer::new()).header_read_timeout(headers_time_max);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            // A client that broke off or was too slow is no event for an operator.
            let _ = connection.with_upgrades().await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// Enough for a client of this test, however busy the machine is.
    const PATIENCE: Duration = Duration::from_secs(1);

    async fn server(headers_time_max: Duration) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", axum::routing::get(|| async { "here\n" }));
        tokio::spawn(serve_patiently(listener, router, headers_time_max));
        address
    }

    /// A client that opened a connection and never finished its headers kept it for ever.
    #[tokio::test]
    async fn who_sends_headers_too_slowly_is_cut_off() {
        let address = server(PATIENCE).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").await.unwrap();
        let mut heard = Vec::new();
        let ended = tokio::time::timeout(10 * PATIENCE, slow.read_to_end(&mut heard)).await;
        assert!(ended.is_ok(), "still connected");
        assert!(!String::from_utf8_lossy(&heard).contains("here"));
    }

    #[tokio::test]
    async fn at_the_limit_a_client_waits_until_another_leaves() {
        let address = server(HEADERS_TIME_MAX).await;
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        let mut late = TcpStream::connect(address).await.unwrap();
        late.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut byte = [0; 1];
        let early = tokio::time::timeout(Duration::from_millis(200), late.read(&mut byte)).await;
        assert!(early.is_err(), "served beyond the limit");
        held.pop();
        let mut heard = String::new();
        let answer = tokio::time::timeout(10 * PATIENCE, late.read_to_string(&mut heard)).await;
        assert!(answer.is_ok() && heard.ends_with("here\n"), "{heard}");
    }
}
