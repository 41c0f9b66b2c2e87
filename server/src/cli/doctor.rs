//! `hotline doctor`: what keeps a server from working here, each with its remedy. It only looks:
//! nothing is made, changed or brought up to date.

use super::{Api, Failure};
use crate::clock::Clock;
use crate::config::NodeConfig;
use hotline_sip::flow::Transport;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

/// Less free space than this is worth a warning, in MiB.
const DISK_FREE_MIB_MIN: u64 = 512;
/// A wall clock before 2025 was never set, in s since the epoch.
const CLOCK_S_MIN: i64 = 1_735_689_600;
/// Descriptors a node of a few hundred calls needs.
const DESCRIPTORS_MIN: u64 = 4_096;

enum Finding {
    Good(String),
    Warning(String),
    Bad(String),
}

/// `hotline doctor`.
pub fn doctor(api: &Api, file: Option<&Path>) -> Result<(), Failure> {
    let mut findings = Vec::new();
    let config = match NodeConfig::load(file) {
        Ok(config) => {
            findings.push(Finding::Good("node file: good".into()));
            Some(config)
        }
        Err(faults) => {
            findings.push(Finding::Bad(format!("node file:\n{faults}")));
            None
        }
    };
    findings.push(clock());
    findings.push(descriptors());
    if let Some(config) = &config {
        let running = is_running(config);
        findings.push(server(config, running));
        findings.push(data_dir(config));
        findings.push(disk(config));
        if !running {
            findings.extend(
                config
                    .listen
                    .iter()
                    .map(|listener| port(listener.transport, listener.address, "[sip] listen")),
            );
            findings.push(port(Transport::Tcp, config.http_listen, "[http] listen"));
            findings.push(media_ports(config));
        }
        findings.push(store(config));
        findings.push(token(api, config, running));
    }
    let mut bad = 0;
    for finding in &findings {
        match finding {
            Finding::Good(text) => println!("ok       {text}"),
            Finding::Warning(text) => println!("warning  {text}"),
            Finding::Bad(text) => {
                bad += 1;
                println!("FAULT    {text}");
            }
        }
    }
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::Failed(format!("{bad} faults: see above")))
}

fn clock() -> Finding {
    if Clock.wall().as_s() < CLOCK_S_MIN {
        Finding::Bad("clock: before 2025; set it (timedatectl set-ntp true): records and registrations need it".into())
    } else {
        Finding::Good("clock: plausible".into())
    }
}

fn descriptors() -> Finding {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    match soft {
        Some(soft) if soft < DESCRIPTORS_MIN => Finding::Warning(format!(
            "open files: {soft}; a call needs four: raise it (ulimit -n 20000, or LimitNOFILE= of the service)"
        )),
        Some(soft) => Finding::Good(format!("open files: {soft}")),
        None => Finding::Warning("open files: the limit cannot be read".into()),
    }
}

fn is_running(config: &NodeConfig) -> bool {
    TcpStream::connect_timeout(&config.http_listen, Duration::from_secs(1)).is_ok()
}

fn server(config: &NodeConfig, running: bool) -> Finding {
    if running {
        Finding::Good(format!("server: answers at {}", config.http_listen))
    } else {
        Finding::Warning(format!(
            "server: nothing answers at {}; start it: hotline serve",
            config.http_listen
        ))
    }
}

fn data_dir(config: &NodeConfig) -> Finding {
    let dir = &config.data_dir;
    // What is not there yet is made in the nearest directory that is.
    let there = dir.ancestors().find(|dir| dir.exists()).filter(|there| *there != Path::new(""));
    let there = there.unwrap_or(Path::new("."));
    let shown = dir.display();
    match crate::net::may_write(there) {
        Ok(()) if there == dir => Finding::Good(format!("data directory: {shown} can be written")),
        Ok(()) => Finding::Good(format!("data directory: {shown} will be made at the first start")),
        Err(error) => Finding::Bad(format!(
            "data directory: {}: {error}; give it to the server's user, or set [node] data_dir",
            there.display()
        )),
    }
}

fn disk(config: &NodeConfig) -> Finding {
    let dir = &config.data_dir;
    let there = dir.ancestors().find(|dir| dir.exists()).filter(|there| *there != Path::new(""));
    let dir = there.unwrap_or(Path::new("."));
    // `df` is everywhere and needs no unsafe call of our own.
    let output = std::process::Command::new("df").arg("-Pm").arg(dir).output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let free =
        text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    match free {
        Some(free) if free < DISK_FREE_MIB_MIN => Finding::Bad(format!(
            "disk: {free} MiB free below {}; make room: the journal and the records go there",
            dir.display()
        )),
        Some(free) => Finding::Good(format!("disk: {free} MiB free")),
        None => Finding::Warning("disk: free space cannot be read".into()),
    }
}

fn port(transport: Transport, address: SocketAddr, setting: &str) -> Finding {
    let bound = match transport {
        Transport::Udp => UdpSocket::bind(address).map(drop),
        _ => TcpListener::bind(address).map(drop),
    };
    let name = transport.as_str().to_lowercase();
    match bound {
        Ok(()) => Finding::Good(format!("port: {name} {address} is free")),
        Err(error) => Finding::Bad(format!(
            "port: {name} {address}: {error}; stop what uses it (ss -lnp), or change {setting}"
        )),
    }
}

fn media_ports(config: &NodeConfig) -> Finding {
    let (first, last) = config.media_ports;
    let taken = (first..=last)
        .filter(|port| UdpSocket::bind(SocketAddr::new(config.media_address, *port)).is_err())
        .count();
    let all = usize::from(last - first) + 1;
    match taken {
        0 => Finding::Good(format!("media ports: {first}-{last} are free")),
        taken if taken * 10 > all => {
            Finding::Bad(format!("media ports: {taken} of {all} are taken; change [media] ports"))
        }
        taken => {
            Finding::Warning(format!("media ports: {taken} of {all} are taken and will be skipped"))
        }
    }
}

fn store(config: &NodeConfig) -> Finding {
    let path = config.store_url.strip_prefix("sqlite:").unwrap_or(&config.store_url);
    let path = Path::new(path);
    if !path.exists() {
        return Finding::Good(format!("store: {} will be made at the first start", path.display()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let opened = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        runtime.block_on(async {
            let version = crate::store::Store::look(&config.store_url).await;
            version.map_err(|error| error.to_string())
        })
    });
    match opened {
        Ok(version) => Finding::Good(format!("store: opens, configuration version {version}")),
        Err(error) => Finding::Bad(error),
    }
}

fn token(api: &Api, config: &NodeConfig, running: bool) -> Finding {
    match super::client::Client::new(api, config) {
        Err(failure) if running => Finding::Bad(format!("token: {}", failure.text())),
        Err(_) => Finding::Good("token: will be made at the first start".into()),
        Ok(client) if running => match client.get("status", &[]) {
            Ok(_) => Finding::Good("token: the server takes it".into()),
            Err(failure) => Finding::Bad(format!("token: {}", failure.text())),
        },
        Ok(_) => Finding::Good("token: is there".into()),
    }
}
