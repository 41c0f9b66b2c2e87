//! Effects: what calls need done outside the engine that takes time.
//!
//! ```text
//! engine ─ Output::Effect ─▶ Performer ─ HTTP client │ PIN threads ─▶ Mail::EffectDone ─▶ engine
//! ```
//! Owns: who performs them, how many at once, and what happens when that is too many: the effect
//! fails at once, and the call goes where its flow says. Does not own: deadlines of calls (the
//! engine's), policies of tenants ([`crate::centres`]).

pub mod allow;
mod http;
mod pins;
#[cfg(test)]
mod tests;

pub use allow::HttpPolicy;
pub use http::Client;

use hotline_base::Partition;
use hotline_engine::effect::{Effect, EffectDone, EffectId};
use pins::Pins;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// HTTP requests under way at once: of the node, and of one tenant.
pub const REQUESTS_MAX: usize = 512;
const REQUESTS_OF_TENANT_MAX: usize = 128;

/// What the flows of every tenant may do.
#[derive(Clone)]
pub struct Policies {
    /// By tenant.
    pub tenants: BTreeMap<Partition, HttpPolicy>,
    /// What makes their connections, and knows whose certificates are trusted.
    pub client: Client,
}

/// Takes what became of an effect back to its engine.
pub type Answer = Arc<dyn Fn(EffectId, EffectDone) + Send + Sync>;

/// Performs effects; cheap to clone.
#[derive(Clone)]
pub struct Performer {
    runtime: tokio::runtime::Handle,
    policies: watch::Receiver<Arc<Policies>>,
    all: Arc<Semaphore>,
    tenants: Arc<Mutex<BTreeMap<Partition, Arc<Semaphore>>>>,
    pins: Pins,
    answer: Answer,
}

impl Performer {
    /// Starts what it needs.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(
        runtime: tokio::runtime::Handle,
        policies: watch::Receiver<Arc<Policies>>,
        answer: Answer,
    ) -> std::io::Result<Performer> {
        Ok(Performer {
            runtime,
            policies,
            all: Arc::new(Semaphore::new(REQUESTS_MAX)),
            tenants: Arc::default(),
            pins: Pins::start(Arc::clone(&answer))?,
            answer,
        })
    }

    /// Performs an effect; the answer comes later, from another thread, or never when nobody is
    /// left to take it.
    pub fn perform(&self, id: EffectId, partition: Partition, effect: Effect, within: Duration) {
        match effect {
            Effect::VerifyPin { hash, pin } => {
                if !self.pins.verify(id, partition, hash, pin) {
                    tracing::warn!(
                        partition = partition.0,
                        "too many PINs are being compared: one is given up"
                    );
                    self.failed(id, "too many PINs are being compared");
                }
            }
            Effect::Http(request) => {
                let of_tenant = {
                    let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
                    let new = || Arc::new(Semaphore::new(REQUESTS_OF_TENANT_MAX));
                    Arc::clone(tenants.entry(partition).or_insert_with(new))
                };
                let all = Arc::clone(&self.all);
                let (Ok(one), Ok(other)) = (of_tenant.try_acquire_owned(), all.try_acquire_owned())
                else {
                    tracing::warn!(
                        partition = partition.0,
                        "too many HTTP requests of flows at once: one is given up"
                    );
                    return self.failed(id, "too many HTTP requests at once");
                };
                let performer = self.clone();
                self.runtime.spawn(async move {
                    let turns = Arc::new([one, other]);
                    let policies = Arc::clone(&performer.policies.borrow());
                    let done = match policies.tenants.get(&partition) {
                        Some(policy) => {
                            policies.client.ask(policy, &request, within, &turns).await
                        }
                        None => Err("there is no such tenant any more".into()),
                    };
                    let done = match done {
                        Ok(answer) => EffectDone::Http(answer),
                        Err(why) => {
                            tracing::info!(partition = partition.0, %why, "a flow's HTTP request failed");
                            EffectDone::Failed(why)
                        }
                    };
                    (performer.answer)(id, done);
                });
            }
        }
    }

    fn failed(&self, id: EffectId, why: &str) {
        (self.answer)(id, EffectDone::Failed(why.into()));
    }
}
