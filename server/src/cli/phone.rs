//! `hotline dial` and `hotline agent`: options to plans.

use super::Failure;
use crate::phone::run::{self, Plan, Role};
use clap::Args;
use hotline_base::Redacted;
use hotline_media::command::Codec;
use hotline_sip::flow::Transport;
use std::path::PathBuf;

/// What both phones take.
#[derive(Debug, Args)]
pub struct Common {
    /// The SIP server.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5060")]
    sip: String,
    /// udp or tcp.
    #[arg(long, default_value = "udp")]
    transport: String,
    /// SIP domain of the tenant; the server's address if not given.
    #[arg(long)]
    domain: Option<String>,
    /// The file with the password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// What to send once up: a WAV file (8 kHz, 16 bit, mono) or tone:HZ; silence if not given.
    #[arg(long, value_name = "WAV|tone:HZ")]
    play: Option<String>,
    /// Write what is heard into this WAV file.
    #[arg(long, value_name = "WAV")]
    record: Option<PathBuf>,
    /// Codecs in order: pcma, pcmu.
    #[arg(long, value_delimiter = ',', default_value = "pcma,pcmu")]
    codecs: Vec<String>,
}

/// A command-line phone.
#[derive(Debug, Args)]
pub struct Dial {
    /// Number to call.
    number: String,
    #[command(flatten)]
    common: Common,
    /// User name, to call as an agent.
    #[arg(long)]
    user: Option<String>,
    /// Calling number, to call over a trunk.
    #[arg(long, default_value = "+15550000001")]
    from: String,
    /// Digits to send once up; a comma waits a second.
    #[arg(long, default_value = "")]
    dtmf: String,
    /// Hang up so long after the answer.
    #[arg(long)]
    seconds: Option<u64>,
}

/// A scripted softphone.
#[derive(Debug, Args)]
pub struct Agent {
    /// User name: the softphone number.
    #[arg(long)]
    user: String,
    #[command(flatten)]
    common: Common,
    /// Ring for so many seconds, then answer.
    #[arg(long, default_value_t = 1.0)]
    answer_after: f64,
    /// Refuse calls with this status instead.
    #[arg(long, value_name = "STATUS")]
    reject: Option<u16>,
    /// Hang up so many seconds after answering.
    #[arg(long)]
    hang_up_after: Option<f64>,
    /// Leave after so many calls; 0 stays.
    #[arg(long, default_value_t = 0)]
    calls: u32,
    /// Leave after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Registration time to ask for, in seconds.
    #[arg(long, default_value_t = 600)]
    expires: u32,
}

/// `hotline dial`.
pub fn dial(dial: &Dial) -> Result<(), Failure> {
    if let Some(wrong) = dial.dtmf.chars().find(|c| !"0123456789*#ABCD,".contains(*c)) {
        return Err(Failure::Usage(format!(
            "--dtmf {:?}: allowed 0-9, *, #, A-D and commas, not {wrong:?}",
            dial.dtmf
        )));
    }
    let role = Role::Caller { number: dial.number.clone(), dtmf: dial.dtmf.clone() };
    let user = dial.user.as_ref().unwrap_or(&dial.from).clone();
    let plan = plan(&dial.common, user, role, dial.seconds)?;
    run::run(plan).map_err(Failure::Failed)
}

/// `hotline agent`.
pub fn agent(agent: &Agent) -> Result<(), Failure> {
    if agent.common.password_file.is_none() {
        return Err(Failure::Usage(format!(
            "agent {}: --password-file FILE is needed (the demo's are in data/secrets/demo/)",
            agent.user
        )));
    }
    let in_range = |name: &str, value: f64| {
        if (0.0..=86_400.0).contains(&value) {
            Ok(())
        } else {
            Err(Failure::Usage(format!("{name} {value}: allowed 0–86400 (seconds)")))
        }
    };
    in_range("--answer-after", agent.answer_after)?;
    in_range("--hang-up-after", agent.hang_up_after.unwrap_or(0.0))?;
    if let Some(status) = agent.reject.filter(|status| !(300..700).contains(status)) {
        return Err(Failure::Usage(format!("--reject {status}: allowed 300–699")));
    }
    let role = Role::Agent {
        answer_after: agent.answer_after,
        reject: agent.reject,
        hang_up_after: agent.hang_up_after,
        calls: agent.calls,
        register_s: agent.expires,
    };
    let plan = plan(&agent.common, agent.user.clone(), role, agent.seconds)?;
    run::run(plan).map_err(Failure::Failed)
}

fn plan(common: &Common, user: String, role: Role, seconds: Option<u64>) -> Result<Plan, Failure> {
    let transport = match common.transport.as_str() {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        other => {
            return Err(Failure::Usage(format!(
                "--transport {other}: allowed udp, tcp (tls and wss are not available yet)"
            )));
        }
    };
    let codecs = common.codecs.iter().map(|name| match name.to_lowercase().as_str() {
        "pcma" => Ok(Codec::Pcma),
        "pcmu" => Ok(Codec::Pcmu),
        _ => Err(Failure::Usage(format!("--codecs {name}: allowed pcma, pcmu"))),
    });
    let codecs = codecs.collect::<Result<Vec<_>, _>>()?;
    let password = match &common.password_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
            Some(Redacted::new(text.trim_end_matches(['\r', '\n']).to_string()))
        }
    };
    if let Some(play) = &common.play {
        crate::phone::check_source(play).map_err(Failure::Usage)?;
    }
    Ok(Plan {
        server: common.sip.clone(),
        transport,
        user,
        domain: common.domain.clone(),
        password,
        codecs,
        role,
        play: common.play.clone(),
        record: common.record.clone(),
        seconds,
    })
}
