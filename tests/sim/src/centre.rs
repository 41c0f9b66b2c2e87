//! [`Centre`]: the tenants of a world, and how their configuration changes.

use crate::flows;
use crate::media::PROMPT_MS;
use crate::peers::SERVER;
use crate::seed::{Dice, Plan};
use hotline_base::{Partition, Redacted};
use hotline_engine::config::{
    CutLine, DigestAlgorithm, Directory, FIRST_PROMPT, Mobile, Prompt, SinglePhone, Softphone,
    TenantConfig, TenantLimits, Trunk,
};
use hotline_ivr::program::Flows;
use hotline_media::command::AssetId;
use hotline_routing::config::{
    AccessCode, Agent, AnnounceOnAnswer, AnswerMode, AnswerSupervision, CalledRoute, Destination,
    Distribution, LostRegistration, Policy, Skill, SkillQueue, WaitMethod,
};
use hotline_sip::digest::ha1;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// The password of every phone.
pub const PASSWORD: &str = "secret";

/// Prompts every tenant has; what else is asked for is missing, and must not stop a call.
const PROMPTS: &[&str] = &[
    "employee_id",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "all-busy",
    "all_busy",
    "sorry",
];

/// What can be dialled: the extension behind the access code, and its priority.
pub const EXTENSIONS: &[(&str, u8)] =
    &[("", 0), ("1", 0), ("2", 0), ("3", 5), ("4", 0), ("5", 0), ("6", 0), ("7", 0)];

/// The extension behind the access code by which agents sign in.
pub const SIGN_IN: &str = "8";

/// What all PINs begin with: long enough not to be anywhere by chance.
pub const PIN_BEGINS: &str = "8301477265";

/// The priority of calls with this extension code.
pub fn priority_of(extension: Option<&str>) -> u8 {
    let extension = extension.unwrap_or_default();
    EXTENSIONS.iter().find(|(code, _)| *code == extension).map_or(0, |(_, priority)| *priority)
}

/// The tenants of a world; see the module.
#[derive(Clone, Debug)]
pub struct Centre {
    /// Its tenants, by number from 0.
    pub tenants: Vec<Tenant>,
    version: u64,
    equal_codes: bool,
    flows: Arc<Flows>,
}

/// One tenant and what can change in it.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its partition.
    pub partition: Partition,
    agents: u32,
    mobiles: u32,
    cut_line: CutLine,
    by_hand: bool,
    agent_missing: bool,
    queue_missing: bool,
    password_changed: bool,
    gone: bool,
    wrap_up_s: u32,
    offer_time_s: u32,
    wait_s: u32,
    tiny: u32,
    employee_id_read: bool,
    timeout_overflows: bool,
    lost_is_busy: bool,
    distribution: Distribution,
    limits: TenantLimits,
}

impl Centre {
    /// The centre of a plan.
    pub fn new(plan: &Plan, dice: &mut Dice) -> Centre {
        let ways = [
            Distribution::LongestIdle,
            Distribution::MostSkilled,
            Distribution::RoundRobin,
            Distribution::Linear,
        ];
        let tenants = (0..plan.tenants)
            .map(|number| Tenant {
                partition: Partition(number + 1),
                agents: plan.agents,
                mobiles: plan.mobiles,
                cut_line: if dice.percent(50) { CutLine::BeRung } else { CutLine::SignedOut },
                by_hand: dice.percent(20),
                agent_missing: false,
                queue_missing: false,
                password_changed: false,
                gone: false,
                wrap_up_s: dice.between(0, 6) as u32,
                offer_time_s: dice.between(2, 15) as u32,
                wait_s: dice.between(1, 30) as u32,
                tiny: dice.between(1, 2) as u32,
                employee_id_read: dice.percent(50),
                timeout_overflows: dice.percent(50),
                lost_is_busy: dice.percent(50),
                distribution: *dice.pick(&ways).unwrap_or(&Distribution::LongestIdle),
                limits: TenantLimits {
                    concurrent_calls: if dice.percent(10) { 4 } else { 100 },
                    call_s_max: if dice.percent(20) { dice.between(5, 60) as u32 } else { 600 },
                    rtp_silence_s: dice.between(5, 20) as u32,
                },
            })
            .collect();
        Centre { tenants, version: 0, equal_codes: plan.equal_codes, flows: flows::flows() }
    }

    /// Domain of a tenant.
    pub fn domain(number: u32) -> String {
        format!("t{number}.example")
    }

    /// Employee IDs of a tenant's agents; equal in all tenants.
    pub fn employee_id(agent: u32) -> String {
        format!("{}", 1001 + agent)
    }

    /// Employee IDs of its agents who have nothing but a mobile.
    pub fn mobile_id(agent: u32) -> String {
        format!("{}", 2001 + agent)
    }

    /// The number of such a mobile.
    pub fn mobile_number(tenant: u32, agent: u32) -> String {
        format!("155570{tenant}{agent}")
    }

    /// The PIN of such an agent.
    pub fn pin(tenant: u32, agent: u32) -> String {
        format!("{PIN_BEGINS}{tenant}{agent}")
    }

    /// A number outside, behind a tenant's trunk.
    pub fn outside_number(tenant: u32) -> String {
        format!("155580{tenant}")
    }

    /// Where calls through a tenant's trunk go.
    pub fn carrier(tenant: u32) -> SocketAddr {
        SocketAddr::from(([10, 9, tenant as u8, 254], 5060))
    }

    /// The access code of a tenant.
    pub fn access_code(&self, number: u32) -> String {
        match self.equal_codes {
            true => "12345".into(),
            false => format!("{}2345", number + 1),
        }
    }

    /// How long the agents of a tenant ring, in s.
    pub fn offer_time_s(&self, number: u32) -> u32 {
        self.tenants.get(number as usize).map_or(10, |tenant| tenant.offer_time_s)
    }

    /// Changes something; says what.
    pub fn change(&mut self, dice: &mut Dice) -> String {
        let many = self.tenants.len() > 1;
        let which = dice.between(0, self.tenants.len() as u64 - 1) as usize;
        let Some(tenant) = self.tenants.get_mut(which) else { return String::new() };
        let what = match dice.between(0, 6) {
            0 => {
                tenant.wrap_up_s = dice.between(0, 10) as u32;
                format!("wrap_up_s = {}", tenant.wrap_up_s)
            }
            1 => {
                tenant.offer_time_s = dice.between(2, 15) as u32;
                format!("offer_time_s = {}", tenant.offer_time_s)
            }
            2 => {
                tenant.queue_missing = !tenant.queue_missing;
                format!("queue sales missing: {}", tenant.queue_missing)
            }
            3 => {
                tenant.agent_missing = !tenant.agent_missing;
                format!("last agent missing: {}", tenant.agent_missing)
            }
            4 => {
                tenant.password_changed = !tenant.password_changed;
                format!("password of 1001 changed: {}", tenant.password_changed)
            }
            5 if many => {
                tenant.gone = !tenant.gone;
                format!("gone: {}", tenant.gone)
            }
            _ => {
                tenant.tiny = dice.between(1, 3) as u32;
                format!("tiny holds {}", tenant.tiny)
            }
        };
        format!("tenant {which}: {what}")
    }

    /// Everything is there again.
    pub fn heal(&mut self) {
        for tenant in &mut self.tenants {
            tenant.agent_missing = false;
            tenant.queue_missing = false;
            tenant.password_changed = false;
            tenant.gone = false;
        }
    }

    /// A snapshot of it, newer than those before.
    pub fn directory(&mut self) -> Arc<Directory> {
        self.version += 1;
        let present = self.tenants.iter().enumerate().filter(|(_, tenant)| !tenant.gone);
        Arc::new(Directory {
            version: self.version,
            tenants: present.map(|(number, _)| Arc::new(self.tenant(number as u32))).collect(),
            trunks: Vec::new(),
            default_tenant: None,
        })
    }

    fn tenant(&self, number: u32) -> TenantConfig {
        let tenant = &self.tenants[number as usize];
        let realm = format!("realm{number}");
        let agents = tenant.agents - u32::from(tenant.agent_missing);
        let softphones = (0..agents).map(|agent| {
            let employee_id = Centre::employee_id(agent);
            let changed = tenant.password_changed && agent == 0;
            let password = if changed { "another" } else { PASSWORD };
            let credentials = ha1(&employee_id, &realm, password);
            let phone = Softphone {
                number: employee_id.clone(),
                employee_id: employee_id.clone(),
                ha1_md5: credentials.ha1_md5,
                ha1_sha256: credentials.ha1_sha256,
                digest: vec![match agent % 2 {
                    0 => DigestAlgorithm::Md5,
                    _ => DigestAlgorithm::Sha256,
                }],
                automatic_answer: agent == 1,
            };
            (employee_id, phone)
        });
        let trunk = Trunk {
            name: format!("carrier-{number}"),
            peers: format!("10.9.{number}.0/24").parse().into_iter().collect(),
            early_media: number == 0,
            target: Some(Centre::carrier(number)),
            local: Some(SERVER),
            outside_prefixes: vec!["+".into()],
            ..Trunk::default()
        };
        let prompts = PROMPTS.iter().zip(FIRST_PROMPT.0..);
        let prompts = prompts.map(|(name, asset)| {
            let duration_ms = PROMPT_MS as u32;
            ((*name).to_owned(), Prompt { asset: AssetId(asset), duration_ms })
        });
        TenantConfig {
            partition: tenant.partition,
            version: self.version,
            name: format!("tenant{number}"),
            domains: vec![Centre::domain(number)],
            realm: realm.clone(),
            language: "en".into(),
            time_zone: "UTC".into(),
            softphones: softphones.collect(),
            trunks: vec![trunk],
            prompts: BTreeMap::from([("en".to_owned(), prompts.collect())]),
            limits: tenant.limits,
            flows: Arc::clone(&self.flows),
            mobiles: mobiles(number, tenant),
            single_phone: SinglePhone {
                trunk: Some(format!("carrier-{number}")),
                cut_line: tenant.cut_line,
                lock_out_s: 30,
                ..SinglePhone::default()
            },
            routing: Arc::new(self.routing(number, tenant)),
            ..TenantConfig::default()
        }
    }

    fn routing(&self, number: u32, tenant: &Tenant) -> hotline_routing::Config {
        let queue = |name: &str| SkillQueue {
            name: name.into(),
            description: name.into(),
            wrap_up_s: tenant.wrap_up_s,
            offer_time_s: tenant.offer_time_s,
            distribution: tenant.distribution,
            announce_on_answer: match tenant.employee_id_read {
                true => AnnounceOnAnswer::EmployeeId,
                false => AnnounceOnAnswer::Nothing,
            },
            ..SkillQueue::default()
        };
        let sales = SkillQueue {
            max_waiting_time_s: tenant.wait_s,
            wrap_up_s: 0,
            on_timeout: match tenant.timeout_overflows {
                true => Policy::SkillQueue("support".into()),
                false => Policy::default(),
            },
            ..queue("sales")
        };
        let tiny = SkillQueue {
            max_calls_in_queue: tenant.tiny,
            on_busy: Policy::SkillQueue("support".into()),
            ..queue("tiny")
        };
        let flowed = flowed(tenant, queue("flowed"));
        let mut queues = vec![queue("support"), tiny, flowed];
        if !tenant.queue_missing {
            queues.push(sales);
        }
        let names: Vec<String> = queues.iter().map(|queue| queue.name.clone()).collect();
        let agents = (0..tenant.agents - u32::from(tenant.agent_missing)).map(|agent| Agent {
            employee_id: Centre::employee_id(agent),
            skill_queues: names
                .iter()
                .filter(|name| agent != 1 || *name != "tiny")
                .map(|name| Skill { queue: name.clone(), level: 1 + agent as u8 })
                .collect(),
            sign_in_on_registration: agent != 3,
            ..Agent::default()
        });
        let on_mobiles = (0..tenant.mobiles).map(|agent| on_mobile(agent, tenant, &names));
        let kept = |route: &CalledRoute| match &route.destination {
            Destination::SkillQueue(name) => names.contains(name),
            Destination::Flow(_) => true,
            Destination::Agent(_) => tenant.agents > u32::from(tenant.agent_missing),
        };
        let routes = EXTENSIONS
            .iter()
            .map(|(extension, priority)| route(self.access_code(number), extension, *priority));
        let to = Destination::Flow(flows::SIGN_IN_FLOW.into());
        let sign_in = CalledRoute::new(&self.access_code(number), Some(SIGN_IN), to);
        let mut config = hotline_routing::Config {
            called_routes: routes.filter(kept).chain([sign_in]).collect(),
            agents: agents.chain(on_mobiles).collect(),
            access_codes: vec![AccessCode {
                code: self.access_code(number),
                ..AccessCode::default()
            }],
            queues,
            flows: flows::NAMES.map(String::from).to_vec(),
            ..hotline_routing::Config::default()
        };
        if tenant.lost_is_busy {
            config.settings.lost_registration = LostRegistration::Busy;
        }
        config
    }
}

/// Who may sign in from any telephone.
fn mobiles(number: u32, tenant: &Tenant) -> BTreeMap<String, Mobile> {
    let one = |agent| {
        let mobile = Mobile {
            // The simulated comparison knows whose it is.
            pin_hash: Redacted::new(format!("hash of {}", Centre::pin(number, agent))),
            number: Some(Centre::mobile_number(number, agent)),
        };
        (Centre::mobile_id(agent), mobile)
    };
    (0..tenant.mobiles).map(one).collect()
}

fn on_mobile(agent: u32, tenant: &Tenant, queues: &[String]) -> Agent {
    let skill = |name: &String| Skill { queue: name.clone(), level: 3 + agent as u8 };
    Agent {
        employee_id: Centre::mobile_id(agent),
        skill_queues: queues.iter().map(skill).collect(),
        answer_mode: match tenant.by_hand {
            true => AnswerMode::Manual,
            false => Agent::default().answer_mode,
        },
        ..Agent::default()
    }
}

/// A queue whose callers are in flows: while they wait, and wherever it sends them.
fn flowed(tenant: &Tenant, plain: SkillQueue) -> SkillQueue {
    SkillQueue {
        max_waiting_time_s: tenant.wait_s,
        waiting: WaitMethod::Flow("waits".into()),
        on_timeout: Policy::Flow("menu".into()),
        on_busy: Policy::Flow("round".into()),
        on_no_agents: Policy::Flow("round".into()),
        max_calls_in_queue: tenant.tiny,
        ..plain
    }
}

fn route(access_code: String, extension: &str, priority: u8) -> CalledRoute {
    let destination = match extension {
        "2" => Destination::SkillQueue("sales".into()),
        "4" => Destination::Agent("1001".into()),
        "5" => Destination::SkillQueue("tiny".into()),
        "6" => Destination::Flow("menu".into()),
        "7" => Destination::SkillQueue("flowed".into()),
        _ => Destination::SkillQueue("support".into()),
    };
    let extension_code = (!extension.is_empty()).then_some(extension);
    CalledRoute {
        priority,
        answer_supervision: match extension {
            "" | "5" => AnswerSupervision::WhenAgentAnswers,
            _ => AnswerSupervision::AtOnce,
        },
        ..CalledRoute::new(&access_code, extension_code, destination)
    }
}
