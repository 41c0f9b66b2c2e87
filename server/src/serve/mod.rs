//! Starting and stopping: the order in which everything comes up and goes down.
//!
//! ```text
//! lock → sockets are bound → store → epoch → journal → calls cut off are closed
//!      → projector catches up → configuration → media → engines (with what the store knows)
//!      → the first media ports → TCP, HTTP → banner
//! SIGTERM: no new calls → calls end (up to a limit) → the rest is released → threads end
//! ```
//! Owns: that order, signals. Does not own: what the parts do.

mod banner;
mod messages;
mod node;
mod projector;
mod shutdown;
#[cfg(test)]
mod tests;

use crate::centres::Centres;
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::effects::{Performer, Policies};
use crate::http::{self, Api};
use crate::journal::{Batch, Journal, JournalSettings};
use crate::media::{MediaSettings, MediaThread, MediaWorkers, UdpIo};
use crate::net::tcp::{Tcp, connections_max};
use crate::net::udp::UdpSet;
use crate::net::{Bind, SocketSource, raise_descriptor_limit};
use crate::runtime::{
    EngineHandle, EngineMetrics, EngineParts, EngineThread, Engines, Inbox, Mail,
};
use crate::store::Store;
use crate::{data_dir, random};
use hotline_base::{Epoch, Partition, Redacted, Rng};
use hotline_engine::config::{Directory, EngineSettings};
use hotline_engine::effect::engine_of_effect;
use hotline_engine::event::StoredBinding;
use hotline_engine::input::Input;
use hotline_engine::{Engine, FrontDoor};
use hotline_media::asset::Library;
use hotline_media::command::Codec;
use hotline_sip::Transport;
use node::RunningNode;
use projector::Projector;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Threads of the asynchronous runtime: TCP, HTTP, the store.
const RUNTIME_THREADS: usize = 2;
/// Refreshed bindings that may wait for the projector; more are written at their next refresh.
const REFRESHED_MAX: usize = 65_536;

/// Threads for what blocks: each HTTP request of a flow may hold one with a look-up that a dead name
/// server does not answer, and the API must still read its files.
const BLOCKING_THREADS_MAX: usize = crate::effects::REQUESTS_MAX + 256;

/// Longest the start waits for the first media ports, and how often it looks.
const PORTS_TIME_MAX: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(1);

/// Runs the server until it is told to stop. `file` is the node file that SIGHUP reads again; none
/// is the default one.
///
/// # Errors
/// One line: why it cannot start.
pub fn run(config: NodeConfig, file: Option<PathBuf>) -> Result<(), String> {
    crate::telemetry::start(config.log_format, &config.log_level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("io")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let signals = runtime
        .block_on(async { shutdown::Signals::new() })
        .map_err(|error| format!("signals cannot be received: {error}"))?;
    let running = start(&config, runtime.handle(), &mut Bind)?;
    print!("{}", running.banner);
    let _nobody_reads = std::io::stdout().flush();
    let signals =
        runtime.block_on(shutdown::until_stopped(&running, &config, file.as_deref(), signals));
    tracing::info!(signals, "stopping");
    running.stop(runtime.handle());
    Ok(())
}

/// A node that runs.
pub(crate) struct Running {
    pub(crate) node: Arc<RunningNode>,
    pub(crate) centres: Arc<tokio::sync::Mutex<Centres>>,
    banner: String,
    store: Store,
    projector: Projector,
    threads: Vec<JoinHandle<()>>,
    media_threads: Vec<JoinHandle<()>>,
    /// What accepts connections.
    tasks: Vec<tokio::task::JoinHandle<()>>,
    _lock: data_dir::Lock,
}

/// What the disk gave: everything that must be right before a packet is read.
struct Recovered {
    store: Store,
    epoch: Epoch,
    journal: Journal,
    projector: Projector,
    refreshed: mpsc::Sender<(Partition, StoredBinding)>,
}

/// Starts everything; see the module for the order.
pub(crate) fn start(
    config: &NodeConfig,
    runtime: &tokio::runtime::Handle,
    source: &mut (impl SocketSource + Clone + 'static),
) -> Result<Running, String> {
    let lock = data_dir::lock(&config.data_dir)?;
    let sockets = Sockets::bind(config, source)?;
    let recovered = recover(config, runtime)?;
    let (mut centres, notes) = runtime.block_on(Centres::open(recovered.store.clone(), config))?;
    let snapshot = centres.snapshot()?;
    for line in &snapshot.broken {
        tracing::error!("{line}");
    }
    let token = admin_token(&config.admin_token_file)?;
    let banner = banner::text(config, &centres, &notes);

    let mut rng = Rng::from_seed(random::seed());
    let (engines, inboxes) = mailboxes(config)?;
    let tcp = Tcp::new(engines.clone(), runtime.clone(), connections(config));
    let (media, media_threads) =
        start_media(config, source, &snapshot.library, &engines, &mut rng)?;
    let policies = watch::Sender::new(Arc::clone(&snapshot.policies));
    let effects = performer(runtime, &policies, &engines)?;
    let starting = Starting {
        config,
        runtime,
        engines: &engines,
        tcp: &tcp,
        media: &media,
        effects: &effects,
    };
    let Started { metrics, threads } =
        starting.engines(&recovered, &snapshot.directory, inboxes, sockets.udp, &mut rng)?;
    let node = Arc::new(RunningNode::new(
        engines,
        metrics,
        media,
        recovered.journal,
        tcp.clone(),
        recovered.projector.progress(),
        policies,
    ));
    wait_for_ports(&node);
    let mut tasks = Vec::new();
    for listener in sockets.tcp {
        tasks.push(tcp.accept(listener).map_err(|error| error.to_string())?);
    }
    let api = Api::new(node.clone(), recovered.store.clone(), centres, &config.name, &token);
    let centres = api.centres.clone();
    tasks.push(serve_http(runtime, sockets.http, api)?);
    Ok(Running {
        node,
        centres,
        banner,
        store: recovered.store,
        projector: recovered.projector,
        threads,
        media_threads,
        tasks,
        _lock: lock,
    })
}

/// The engines' mail: the ways to them, and their sides of it.
fn mailboxes(config: &NodeConfig) -> Result<(Engines, Vec<Inbox>), String> {
    let mail: Vec<(EngineHandle, Inbox)> = (0..config.engines.max(1))
        .map(|_| EngineHandle::new())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let (handles, inboxes): (Vec<_>, Vec<_>) = mail.into_iter().unzip();
    Ok((Engines::new(handles), inboxes))
}

/// The media workers and their threads.
fn start_media(
    config: &NodeConfig,
    source: &mut (impl SocketSource + Clone + 'static),
    library: &Arc<Library>,
    engines: &Engines,
    rng: &mut Rng,
) -> Result<(MediaWorkers, Vec<JoinHandle<()>>), String> {
    let ios = (0..media_workers(config))
        .map(|_| UdpIo::new(source.clone()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let settings = MediaSettings {
        worker: (0, 1),
        address: config.media_address,
        ports: config.media_ports,
        messages: config.data_dir.join("messages"),
    };
    MediaThread::start(&settings, ios, library, engines, rng).map_err(|error| {
        let (first, last) = config.media_ports;
        format!("[media]: ports = \"{first}-{last}\" on {}: {error}", config.media_address)
    })
}

/// What performs the engines' effects and answers by their mail.
fn performer(
    runtime: &tokio::runtime::Handle,
    policies: &watch::Sender<Arc<Policies>>,
    engines: &Engines,
) -> Result<Performer, String> {
    let engines = engines.clone();
    let answer = move |id, done| {
        let engine = engines.get(engine_of_effect(id));
        // A full one finds out by its own deadline.
        let _late = engine.post(Mail::EffectDone(id, done));
    };
    Performer::start(runtime.clone(), policies.subscribe(), Arc::new(answer))
        .map_err(|error| error.to_string())
}

/// A call that comes before the media workers have lent their first ports is refused: nobody is
/// told that the node is there before they have.
fn wait_for_ports(node: &RunningNode) {
    let end = Instant::now() + PORTS_TIME_MAX;
    while !node.has_ports() {
        if Instant::now() >= end {
            return tracing::error!("no media ports yet: calls are refused until there are");
        }
        std::thread::sleep(LOOK);
    }
}

/// Store, epoch, journal; calls that were cut off get their record; the projector catches up.
fn recover(config: &NodeConfig, runtime: &tokio::runtime::Handle) -> Result<Recovered, String> {
    let store =
        runtime.block_on(Store::open(&config.store_url)).map_err(|error| error.to_string())?;
    let directory = config.data_dir.join("journal");
    let seen = crate::journal::newest_epoch(&directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    let epoch = runtime.block_on(store.next_epoch(seen)).map_err(|error| error.to_string())?;
    let (projected, _) = runtime.block_on(store.progress()).map_err(|error| error.to_string())?;
    let (journal, open) =
        Journal::open(&directory, &config.name, epoch, projected, JournalSettings::default())
            .map_err(|error| error.to_string())?;
    if !open.calls.is_empty() {
        tracing::warn!(
            calls = open.calls.len(),
            "calls were cut off when the server ended; their records are closed"
        );
    }
    let messages = config.data_dir.join("messages");
    let now = Clock.wall();
    let mut batch = Batch::default();
    for event in messages::adopted(&messages, &open, now).iter().chain(&open.closing_events(now)) {
        batch.push(event);
    }
    journal.append(&mut batch);
    let (refreshed, bindings) = mpsc::channel(REFRESHED_MAX);
    let projector = Projector::start(journal.clone(), store.clone(), bindings, runtime)?;
    runtime.block_on(projector.caught_up(&journal));
    runtime.block_on(messages::reconcile(&messages, &store, epoch))?;
    Ok(Recovered { store, epoch: Epoch(epoch), journal, projector, refreshed })
}

/// Every listening socket of the node.
struct Sockets {
    /// By engine.
    udp: Vec<Vec<UdpSocket>>,
    tcp: Vec<TcpListener>,
    http: TcpListener,
}

impl Sockets {
    fn bind(config: &NodeConfig, source: &mut impl SocketSource) -> Result<Sockets, String> {
        let engines = config.engines.max(1);
        let mut udp: Vec<Vec<UdpSocket>> = (0..engines).map(|_| Vec::new()).collect();
        let mut tcp = Vec::new();
        for listener in &config.listen {
            match listener.transport {
                Transport::Udp => {
                    let sockets = source.sip_udp(listener.address, engines);
                    let sockets = sockets.map_err(|error| error.to_string())?;
                    udp.iter_mut().zip(sockets).for_each(|(engine, socket)| engine.push(socket));
                }
                Transport::Tcp => {
                    let bound = source.listener("tcp", listener.address);
                    tcp.push(bound.map_err(|error| error.to_string())?);
                }
                other => return Err(format!("[sip]: listen: {other} is not available yet")),
            }
        }
        let http =
            source.listener("http", config.http_listen).map_err(|error| error.to_string())?;
        Ok(Sockets { udp, tcp, http })
    }
}

/// The engines' threads, and what they count.
struct Started {
    metrics: Vec<Arc<EngineMetrics>>,
    threads: Vec<JoinHandle<()>>,
}

/// What the start of the engines needs.
struct Starting<'a> {
    config: &'a NodeConfig,
    runtime: &'a tokio::runtime::Handle,
    engines: &'a Engines,
    tcp: &'a Tcp,
    media: &'a MediaWorkers,
    effects: &'a Performer,
}

impl Starting<'_> {
    /// Starts an engine for each inbox, each with what the store knows of its tenants.
    fn engines(
        &self,
        recovered: &Recovered,
        directory: &Arc<Directory>,
        inboxes: Vec<Inbox>,
        udp: Vec<Vec<UdpSocket>>,
        rng: &mut Rng,
    ) -> Result<Started, String> {
        let secret = self.nonce_secret(&recovered.store)?;
        let (mut metrics, mut threads) = (Vec::new(), Vec::new());
        for ((number, inbox), sockets) in (0..self.engines.count()).zip(inboxes).zip(udp) {
            let settings = self.settings(number, secret.clone());
            let advertise = self.config.sip_advertise.as_deref();
            let counted = Arc::new(EngineMetrics::default());
            let now = Clock.now();
            let core = Engine::new(settings, directory.clone(), recovered.epoch, rng.fork(), now);
            let parts = EngineParts {
                number,
                core,
                front_door: FrontDoor::new(directory.clone(), advertise, rng),
                inbox,
                engines: self.engines.clone(),
                udp: UdpSet::new(sockets).map_err(|error| error.to_string())?,
                tcp: self.tcp.clone(),
                media: self.media.clone(),
                effects: self.effects.clone(),
                journal: recovered.journal.clone(),
                refreshed: recovered.refreshed.clone(),
                metrics: counted.clone(),
            };
            let restore = self.restore(&recovered.store, directory, number)?;
            threads.push(EngineThread::start(parts, restore).map_err(|error| error.to_string())?);
            metrics.push(counted);
        }
        Ok(Started { metrics, threads })
    }

    fn settings(&self, number: u16, nonce_secret: Redacted<[u8; 32]>) -> EngineSettings {
        let (register_s_min, register_s_max, register_s_default) = self.config.register_s;
        EngineSettings {
            user_agent: concat!("Hotline/", env!("CARGO_PKG_VERSION")).into(),
            sip_advertise: self.config.sip_advertise.clone(),
            media_advertise: self.config.media_advertise,
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            nonce_secret,
            register_s_min,
            register_s_max,
            register_s_default,
            engine: (number, self.engines.count()),
        }
    }

    /// What the store knows of the tenants of one engine.
    fn restore(
        &self,
        store: &Store,
        directory: &Directory,
        number: u16,
    ) -> Result<Vec<Input>, String> {
        let mut inputs = Vec::new();
        for tenant in &directory.tenants {
            let partition = tenant.partition;
            if EngineSettings::owner_of(partition, self.engines.count()) != number {
                continue;
            }
            let known = self.runtime.block_on(async {
                let bindings = store.bindings(partition).await?;
                let agents = store.agent_states(partition).await?;
                let languages = store.languages(partition).await?;
                let tries = store.tries(partition).await?;
                Ok::<_, crate::store::StoreError>(Input::Restore {
                    partition,
                    bindings,
                    agents,
                    languages,
                    tries,
                })
            });
            inputs.push(known.map_err(|error| error.to_string())?);
        }
        Ok(inputs)
    }

    /// Kept over restarts, so that phones need no new challenge.
    fn nonce_secret(&self, store: &Store) -> Result<Redacted<[u8; 32]>, String> {
        const NAME: &str = "nonce_secret";
        let stored = self.runtime.block_on(store.meta(NAME)).map_err(|error| error.to_string())?;
        if let Some(secret) = stored.as_deref().and_then(unhex) {
            return Ok(Redacted::new(secret));
        }
        let secret = random::seed();
        let kept = self.runtime.block_on(store.set_meta(NAME, &hex(&secret)));
        kept.map_err(|error| error.to_string())?;
        Ok(Redacted::new(secret))
    }
}

/// How many connections are taken, so that descriptors remain for the media ports.
fn connections(config: &NodeConfig) -> usize {
    let descriptors = raise_descriptor_limit().unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open descriptors cannot be raised");
        0
    });
    let media = usize::from(config.media_ports.1.saturating_sub(config.media_ports.0)) + 1;
    let max = connections_max(descriptors, media);
    tracing::debug!(descriptors, media, connections = max, "open descriptors");
    max
}

fn media_workers(config: &NodeConfig) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = match config.media_workers {
        0 => u16::try_from(cores).unwrap_or(1),
        workers => workers,
    };
    // Each worker needs a pair of its own.
    let pairs = (config.media_ports.1 - config.media_ports.0).div_ceil(2);
    wanted.clamp(1, pairs.max(1))
}

/// The administrator's token, made at the first start.
fn admin_token(file: &Path) -> Result<String, String> {
    let say = |error: std::io::Error| format!("{}: {error}", file.display());
    match fs::read_to_string(file) {
        Ok(token) if !token.trim().is_empty() => return Ok(token.trim().into()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(say(error)),
    }
    let token = hex(&random::seed());
    crate::centres::write_secret(file, &token).map_err(say)?;
    Ok(token)
}

fn serve_http(
    runtime: &tokio::runtime::Handle,
    listener: TcpListener,
    api: Api,
) -> Result<tokio::task::JoinHandle<()>, String> {
    let _inside = runtime.enter();
    let listener =
        tokio::net::TcpListener::from_std(listener).map_err(|error| error.to_string())?;
    Ok(runtime.spawn(http::listen::serve(listener, http::router(api))))
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}
