//! The node file (`conf/hotline.toml`) with its overrides from the environment.
//!
//! Each key can be overridden by `HOTLINE_<SECTION>_<KEY>`, lists with commas. Unknown keys and
//! values out of range are faults that name file, line, key and what is allowed.

use super::fault::{Fault, Faults};
use super::schema::{self, Field, Rule};
use super::tree::{Node, Value};

use crate::effects::allow::InsideHost;
use hotline_engine::config::Trunk;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Settings of one node, checked.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Name of the node.
    pub name: String,
    /// Everything the node keeps.
    pub data_dir: PathBuf,
    /// Engines (threads that own tenants).
    pub engines: u16,
    /// How long SIGTERM waits for calls, in s.
    pub drain_s: u32,
    /// SIP listeners.
    pub listen: Vec<Listener>,
    /// Address for Via and Contact, if not the flow's own.
    pub sip_advertise: Option<String>,
    /// Registration times in s: shortest, longest, default.
    pub register_s: (u32, u32, u32),
    /// Address media sockets are bound to.
    pub media_address: IpAddr,
    /// Address for SDP, if not the flow's own.
    pub media_advertise: Option<IpAddr>,
    /// First and last media port.
    pub media_ports: (u16, u16),
    /// Media worker threads; 0 is one per core.
    pub media_workers: u16,
    /// Address of the HTTP API.
    pub http_listen: SocketAddr,
    /// Where the administrator's token is kept.
    pub admin_token_file: PathBuf,
    /// The store: `sqlite:PATH`.
    pub store_url: String,
    /// A directory of prompts that override and add to the built-in ones.
    pub prompts_dir: Option<PathBuf>,
    /// Addresses inside the network that flows' HTTP requests may ask, if their tenant lists them too.
    pub inside_hosts: Vec<InsideHost>,
    /// Authorities trusted for flows' HTTPS beside those of the machine, PEM.
    pub ca_file: Option<PathBuf>,
    /// `text` or `json`.
    pub log_format: LogFormat,
    /// A level or `tracing` filter.
    pub log_level: String,
    /// Trunks shared by the tenants.
    pub trunks: Vec<Trunk>,
}

/// A SIP listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `udp` or `tcp`.
    pub transport: hotline_sip::flow::Transport,
    /// Where.
    pub address: SocketAddr,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

const fn key(key: &'static str, rule: Rule, default: &'static str) -> Field {
    Field { key, rule, mandatory: false, default }
}

const SECTIONS: &[(&str, &[Field])] = &[
    (
        "node",
        &[
            key("name", Rule::Text(1, 63), "\"hotline-1\""),
            key("data_dir", Rule::Text(1, 4_096), "\"data\""),
            key("engines", Rule::Integer(1, 64, "threads that own tenants"), "1"),
            key("drain_s", Rule::Integer(0, 86_400, "seconds"), "300"),
        ],
    ),
    (
        "sip",
        &[
            key(
                "listen",
                Rule::List(
                    &Rule::Check(
                        is_listener,
                        "udp://ADDRESS:PORT or tcp://ADDRESS:PORT (tls, ws and wss are not available yet)",
                    ),
                    16,
                ),
                "[\"udp://0.0.0.0:5060\",\"tcp://0.0.0.0:5060\"]",
            ),
            key("advertise", Rule::Text(0, 253), "\"\""),
            key("register_s_min", Rule::Integer(10, 3_600, "seconds"), "60"),
            key("register_s_max", Rule::Integer(60, 86_400, "seconds"), "7200"),
            key("register_s_default", Rule::Integer(60, 86_400, "seconds"), "3600"),
        ],
    ),
    (
        "tls",
        &[
            key("certificate", Rule::Check(is_empty, "\"\" (TLS is not available yet)"), "\"\""),
            key("private_key", Rule::Check(is_empty, "\"\" (TLS is not available yet)"), "\"\""),
        ],
    ),
    (
        "media",
        &[
            key("address", Rule::Check(is_address, "an IP address"), "\"0.0.0.0\""),
            key("advertise", Rule::Check(is_address_or_empty, "an IP address or \"\""), "\"\""),
            key(
                "ports",
                Rule::Check(is_port_range, "FIRST-LAST, first even, 1024–65535, at least 4 ports"),
                "\"20000-29999\"",
            ),
            key("workers", Rule::Integer(0, 64, "threads, 0 is one per core"), "0"),
        ],
    ),
    (
        "http",
        &[
            key("listen", Rule::Check(is_socket_address, "ADDRESS:PORT"), "\"127.0.0.1:8080\""),
            key("admin_token_file", Rule::Text(1, 4_096), "\"data/admin.token\""),
        ],
    ),
    (
        "store",
        &[key(
            "url",
            Rule::Check(is_store, "sqlite:PATH (postgres:// is not available yet)"),
            "\"sqlite:data/hotline.db\"",
        )],
    ),
    ("prompts", &[key("dir", Rule::Text(0, 4_096), "\"prompts\"")]),
    (
        "effects",
        &[
            key(
                "inside_hosts",
                Rule::List(
                    &Rule::Check(
                        is_inside_host,
                        "ADDRESS:PORT or TENANT=ADDRESS:PORT, the address inside the network",
                    ),
                    256,
                ),
                "[]",
            ),
            key("ca_file", Rule::Text(0, 4_096), "\"\""),
        ],
    ),
    (
        "log",
        &[
            key("format", Rule::Choice(&["text", "json"]), "\"text\""),
            key("level", Rule::Text(1, 200), "\"info\""),
        ],
    ),
];

impl NodeConfig {
    /// Reads the node file; a missing file is an error only if it was named.
    ///
    /// # Errors
    /// Everything that is wrong, a line each.
    pub fn load(path: Option<&Path>) -> Result<NodeConfig, Faults> {
        let default = Path::new("conf/hotline.toml");
        let (path, named) = path.map_or((default, false), |path| (path, true));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => String::new(),
            Err(error) => return Err(whole(path, 0, format!("cannot be read: {error}"))),
        };
        let environment = |name: &str| std::env::var(name).ok();
        NodeConfig::read(&text, &path.display().to_string(), &environment)
    }

    /// Reads a node file's text with overrides.
    ///
    /// # Errors
    /// Everything that is wrong, a line each.
    pub fn read(
        text: &str,
        file: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<NodeConfig, Faults> {
        let mut root =
            Node::from_toml(text).map_err(|(line, what)| whole(Path::new(file), line, what))?;
        let overridden = apply_environment(&mut root, environment);
        let mut faults = Vec::new();
        let mut trunks = Vec::new();
        for (name, node) in root.entries() {
            if let Some((_, fields)) = SECTIONS.iter().find(|(section, _)| section == name) {
                schema::check_fields(fields, &[], &format!("[{name}]"), "", node, &mut faults);
            } else if name == "trunk" {
                read_trunks(node, &mut trunks, &mut faults);
            } else {
                let known: Vec<_> = SECTIONS.iter().map(|(section, _)| *section).collect();
                faults.push(Fault {
                    file: String::new(),
                    line: node.line,
                    object: format!("[{name}]"),
                    field: String::new(),
                    value: String::new(),
                    allowed: format!("unknown section; allowed {} and [[trunk]]", known.join(", ")),
                });
            }
        }
        for fault in &mut faults {
            let path =
                (fault.object.clone(), fault.field.split('[').next().unwrap_or("").to_string());
            match overridden
                .iter()
                .find(|(section, field, _)| (format!("[{section}]"), field.clone()) == path)
            {
                Some((_, _, variable)) => fault.file.clone_from(variable),
                None => fault.file = file.into(),
            }
        }
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        from_checked(&root, trunks).map_err(|what| whole(Path::new(file), 0, what))
    }
}

impl NodeConfig {
    /// The settings that differ from `other` and take effect at a start only.
    pub fn needs_restart(&self, other: &NodeConfig) -> Vec<&'static str> {
        [
            ("[node] name", self.name != other.name),
            ("[node] data_dir", self.data_dir != other.data_dir),
            ("[node] engines", self.engines != other.engines),
            ("[node] drain_s", self.drain_s != other.drain_s),
            ("[sip] listen", self.listen != other.listen),
            ("[sip] advertise", self.sip_advertise != other.sip_advertise),
            ("[sip] register_s_…", self.register_s != other.register_s),
            ("[media] address", self.media_address != other.media_address),
            ("[media] advertise", self.media_advertise != other.media_advertise),
            ("[media] ports", self.media_ports != other.media_ports),
            ("[media] workers", self.media_workers != other.media_workers),
            ("[http] listen", self.http_listen != other.http_listen),
            ("[http] admin_token_file", self.admin_token_file != other.admin_token_file),
            ("[store] url", self.store_url != other.store_url),
            ("[log] format", self.log_format != other.log_format),
            ("[log] level", self.log_level != other.log_level),
        ]
        .into_iter()
        .filter_map(|(key, changed)| changed.then_some(key))
        .collect()
    }
}

fn whole(path: &Path, line: u32, allowed: String) -> Faults {
    Faults(vec![Fault {
        file: path.display().to_string(),
        line,
        object: String::new(),
        field: String::new(),
        value: String::new(),
        allowed,
    }])
}

/// Puts `HOTLINE_<SECTION>_<KEY>` in the place of the file's values; says which were overridden.
fn apply_environment(
    root: &mut Node,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Vec<(String, String, String)> {
    let mut overridden = Vec::new();
    for (section, fields) in SECTIONS {
        for field in *fields {
            let variable =
                format!("HOTLINE_{}_{}", section.to_uppercase(), field.key.to_uppercase());
            let Some(text) = environment(&variable) else { continue };
            let value = match field.rule {
                Rule::Integer(..) => text.parse().map_or(Value::Text(text), Value::Integer),
                Rule::List(..) => Value::List(
                    text.split(',')
                        .map(|item| Node { line: 0, value: Value::Text(item.trim().into()) })
                        .collect(),
                ),
                _ => Value::Text(text),
            };
            let Value::Table(sections) = &mut root.value else { continue };
            if !sections.iter().any(|(name, _)| name == section) {
                let empty = Node { line: 0, value: Value::Table(Vec::new()) };
                sections.push(((*section).into(), empty));
            }
            let table = sections.iter_mut().find(|(name, _)| name == section);
            if let Some((_, Node { value: Value::Table(entries), .. })) = table {
                entries.retain(|(name, _)| name != field.key);
                entries.push((field.key.into(), Node { line: 0, value }));
                overridden.push(((*section).into(), field.key.into(), variable));
            }
        }
    }
    overridden
}

fn read_trunks(node: &Node, trunks: &mut Vec<Trunk>, faults: &mut Vec<Fault>) {
    for item in node.items() {
        let object = format!("trunk {:?}", item.text_of("name").unwrap_or(""));
        let before = faults.len();
        schema::check(&schema::TRUNK, &object, item, faults);
        if faults.len() == before
            && let Ok(trunk) = Trunk::deserialize(item.to_json())
        {
            trunks.push(trunk);
        }
    }
}

fn from_checked(root: &Node, trunks: Vec<Trunk>) -> Result<NodeConfig, String> {
    let json = |section: &str, key: &str| {
        root.get(section).and_then(|table| table.get(key)).map(Node::to_json).or_else(|| {
            let (_, fields) = SECTIONS.iter().find(|(name, _)| *name == section)?;
            let field = fields.iter().find(|field| field.key == key)?;
            serde_json::from_str(field.default).ok()
        })
    };
    let text = |section: &str, key: &str| {
        json(section, key).and_then(|value| value.as_str().map(String::from)).unwrap_or_default()
    };
    let number = |section: &str, key: &str| {
        json(section, key)
            .and_then(|value| value.as_u64())
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0)
    };
    let listen = json("sip", "listen").unwrap_or_default();
    let listen = listen
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| listener(item.as_str()?))
        .collect();
    let inside_hosts = json("effects", "inside_hosts").unwrap_or_default();
    let inside_hosts = inside_hosts
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| InsideHost::parse(item.as_str()?))
        .collect();
    let set = |text: String| (!text.is_empty()).then_some(text);
    let register_s = (
        number("sip", "register_s_min"),
        number("sip", "register_s_max"),
        number("sip", "register_s_default"),
    );
    if !(register_s.0 <= register_s.2 && register_s.2 <= register_s.1) {
        return Err(format!(
            "[sip]: register_s_min = {}, register_s_default = {}, register_s_max = {}; allowed min ≤ default ≤ max",
            register_s.0, register_s.2, register_s.1
        ));
    }
    Ok(NodeConfig {
        name: text("node", "name"),
        data_dir: text("node", "data_dir").into(),
        engines: number("node", "engines") as u16,
        drain_s: number("node", "drain_s"),
        listen,
        sip_advertise: set(text("sip", "advertise")),
        register_s,
        media_address: text("media", "address").parse().map_err(|_| "[media]: address")?,
        media_advertise: text("media", "advertise").parse().ok(),
        media_ports: port_range(&text("media", "ports")).ok_or("[media]: ports")?,
        media_workers: number("media", "workers") as u16,
        http_listen: text("http", "listen").parse().map_err(|_| "[http]: listen")?,
        admin_token_file: in_data_dir(root, text("http", "admin_token_file")).into(),
        store_url: in_data_dir(root, text("store", "url")),
        prompts_dir: set(text("prompts", "dir")).map(PathBuf::from),
        inside_hosts,
        ca_file: set(text("effects", "ca_file")).map(PathBuf::from),
        log_format: if text("log", "format") == "json" { LogFormat::Json } else { LogFormat::Text },
        log_level: text("log", "level"),
        trunks,
    })
}

/// The defaults below `data/` follow a `data_dir` that was set.
fn in_data_dir(root: &Node, value: String) -> String {
    match root.get("node").and_then(|node| node.text_of("data_dir")) {
        Some(dir) if value == "data/admin.token" => format!("{dir}/admin.token"),
        Some(dir) if value == "sqlite:data/hotline.db" => format!("sqlite:{dir}/hotline.db"),
        _ => value,
    }
}

fn listener(text: &str) -> Option<Listener> {
    let (scheme, address) = text.split_once("://")?;
    let transport = match scheme {
        "udp" => hotline_sip::flow::Transport::Udp,
        "tcp" => hotline_sip::flow::Transport::Tcp,
        _ => return None,
    };
    Some(Listener { transport, address: address.parse().ok()? })
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-')?;
    let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first >= 1_024 && first % 2 == 0 && last >= first.checked_add(3)?).then_some((first, last))
}

fn is_listener(node: &Node) -> bool {
    node.text().is_some_and(|text| listener(text).is_some())
}

fn is_empty(node: &Node) -> bool {
    node.text() == Some("")
}

fn is_address(node: &Node) -> bool {
    node.text().is_some_and(|text| text.parse::<IpAddr>().is_ok())
}

fn is_address_or_empty(node: &Node) -> bool {
    is_empty(node) || is_address(node)
}

fn is_inside_host(node: &Node) -> bool {
    node.text().is_some_and(|text| InsideHost::parse(text).is_some())
}

fn is_port_range(node: &Node) -> bool {
    node.text().is_some_and(|text| port_range(text).is_some())
}

fn is_socket_address(node: &Node) -> bool {
    node.text().is_some_and(|text| text.parse::<SocketAddr>().is_ok())
}

fn is_store(node: &Node) -> bool {
    node.text()
        .is_some_and(|text| text.strip_prefix("sqlite:").is_some_and(|path| !path.is_empty()))
}
