//! The measured server: a process of its own with a data directory, store and journal of its own.

use crate::bench::Bench;
use crate::{centre, process};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest start: thousands of media sockets are bound.
const START_MAX: Duration = Duration::from_secs(60);
/// Longest answer of the server's HTTP side.
const HTTP_MAX: Duration = Duration::from_secs(5);
/// Most port pairs given to the server; ports rest 5 s, so this bounds the rate of calls.
const PAIRS_MAX: usize = 9_000;
/// First media port.
const FIRST_PORT: usize = 10_000;
/// Descriptors the server needs besides media sockets.
const OTHER_DESCRIPTORS: usize = 1_000;

/// A running server; ends with the value.
pub struct Server {
    child: Child,
    log: PathBuf,
    /// Where it takes SIP.
    pub sip: SocketAddrV4,
    /// How many port pairs it has for audio.
    pub pairs: usize,
    http: SocketAddrV4,
    // Removed when the process is gone.
    _dir: TempDir,
}

impl Server {
    /// Starts a server on the measured core with a centre of so many agents; returns when ready.
    pub fn start(bench: &Bench, agents: usize) -> Result<Server, String> {
        let dir = tempfile::Builder::new().prefix("run-").tempdir_in(&bench.work_dir);
        let dir = dir.map_err(|error| format!("{}: {error}", bench.work_dir.display()))?;
        let (sip, http) = (free_udp()?, free_tcp()?);
        let pairs =
            PAIRS_MAX.min((process::descriptors_max().saturating_sub(OTHER_DESCRIPTORS)) / 2);
        let node = format!(
            "[node]\nname = \"bench\"\ndata_dir = \"{0}/data\"\n\n[sip]\nlisten = [\"udp://{sip}\"]\n\n\
             [media]\naddress = \"127.0.0.1\"\nports = \"{FIRST_PORT}-{1}\"\n\n\
             [http]\nlisten = \"{http}\"\n\n[prompts]\ndir = \"\"\n\n[log]\nlevel = \"warn\"\n",
            dir.path().display(),
            FIRST_PORT + 2 * pairs - 1,
        );
        let (node_file, centre_dir) = (dir.path().join("hotline.toml"), dir.path().join("centre"));
        write(&node_file, node.as_bytes())?;
        for (name, content) in centre::files(agents) {
            let path = centre_dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(&centre_dir))
                .map_err(|error| error.to_string())?;
            write(&path, &content)?;
        }
        let log = dir.path().join("server.log");
        let apply = |command: &mut Command| {
            for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HOTLINE_")) {
                command.env_remove(name);
            }
            command.current_dir(dir.path()).arg("--config").arg(&node_file).stdin(Stdio::null());
        };
        let mut command = Command::new(&bench.server);
        apply(&mut command);
        let output = command.arg("apply").arg(&centre_dir).output();
        let output = output.map_err(|error| format!("{}: {error}", bench.server.display()))?;
        if !output.status.success() {
            return Err(format!("apply: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        let file = || File::create(&log).map_err(|error| error.to_string());
        let (out, error) = (file()?, File::options().append(true).open(&log));
        let mut command = bench.cores.measured(&bench.server);
        apply(&mut command);
        command.arg("serve").stdout(out).stderr(error.map_err(|error| error.to_string())?);
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let mut server = Server { child, log, sip, pairs, http, _dir: dir };
        server.wait_ready()?;
        Ok(server)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its processor time so far.
    pub fn cpu(&self) -> Result<Duration, String> {
        process::cpu(self.child.id()).map_err(|error| self.with_log(&error))
    }

    /// Its resident memory, in bytes.
    pub fn resident_bytes(&self) -> Result<u64, String> {
        process::resident_bytes(self.child.id())
    }

    /// The value of a metric; 0 if it is not there.
    pub fn metric(&self, name: &str) -> Result<u64, String> {
        let (_, body) = self.get("/metrics")?;
        let value = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(0.0) as u64)
    }

    /// Waits until a metric has this value.
    pub fn wait_metric(&self, name: &str, value: u64, most: Duration) -> Result<(), String> {
        let until = Instant::now() + most;
        loop {
            let now = self.metric(name)?;
            if now == value {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(
                    self.with_log(&format!("{name} is {now} after {most:?}, expected {value}"))
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let until = Instant::now() + START_MAX;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.with_log(&format!("the server ended at once ({status})")));
            }
            match self.get("/readyz") {
                Ok((200, _)) => return Ok(()),
                _ if Instant::now() > until => {
                    return Err(self.with_log(&format!("not ready after {START_MAX:?}")));
                }
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn get(&self, path: &str) -> Result<(u16, String), String> {
        let text = |error: std::io::Error| format!("http://{}{path}: {error}", self.http);
        let mut stream =
            TcpStream::connect_timeout(&SocketAddr::V4(self.http), HTTP_MAX).map_err(text)?;
        stream.set_read_timeout(Some(HTTP_MAX)).map_err(text)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http);
        stream.write_all(request.as_bytes()).map_err(text)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(text)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((status.ok_or(format!("{path}: no HTTP answer"))?, body.to_owned()))
    }

    /// An error with what the server last said.
    pub fn with_log(&self, what: &str) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        let said: Vec<&str> = lines.into_iter().rev().collect();
        format!("{what}; the server said: {}", said.join(" / "))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    std::fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

fn free_udp() -> Result<SocketAddrV4, String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    v4(socket.map_err(|error| error.to_string())?)
}

fn free_tcp() -> Result<SocketAddrV4, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|bound| bound.local_addr());
    v4(listener.map_err(|error| error.to_string())?)
}

/// The IPv4 address that a loopback socket has.
pub fn v4(address: SocketAddr) -> Result<SocketAddrV4, String> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(address) => Err(format!("{address}: expected an IPv4 address")),
    }
}
