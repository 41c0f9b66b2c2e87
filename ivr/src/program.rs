//! [`Program`]: a flow ready to run; [`Flows`]: all of a tenant's.
//!
//! Owns: nodes by number, and addresses and headers taken apart. Does not own: whether a flow makes
//! sense ([`crate::check`]): a program of a flow that was never checked has edges that lead nowhere
//! ([`Program::find`] gives `None`), and no way to panic.

use crate::expr::template::{Part, Template};
use crate::model::{Flow, Name, Node};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A node of a program, by its rank among the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// A flow ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    name: Arc<str>,
    flow: Flow,
    steps: Vec<Step>,
}

/// A node of a [`Program`].
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name.
    pub name: Arc<str>,
    /// What it does.
    pub node: Node,
    /// The address of an HTTP request, taken apart; empty in other nodes.
    pub url: Template,
    /// The headers of an HTTP request, taken apart; empty in other nodes.
    pub headers: Vec<(String, Template)>,
}

impl Program {
    /// Makes a flow ready.
    pub fn new(name: &str, flow: &Flow) -> Program {
        let steps = flow.node.iter().map(|(name, node)| Step::new(name, node)).collect();
        let flow = Flow { node: BTreeMap::new(), ..flow.clone() };
        Program { name: name.into(), flow, steps }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The flow: languages, variables, parameters, results, edges. Its nodes are here, not there.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The node of a name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        let rank = self.steps.binary_search_by(|step| step.name.as_ref().cmp(name)).ok()?;
        u32::try_from(rank).ok().map(NodeId)
    }

    /// What a node does.
    pub fn step(&self, node: NodeId) -> Option<&Step> {
        self.steps.get(node.0 as usize)
    }

    /// All nodes, by name.
    pub fn steps(&self) -> impl Iterator<Item = (NodeId, &Step)> {
        self.steps.iter().enumerate().map(|(rank, step)| (NodeId(rank as u32), step))
    }

    /// The first node.
    pub fn start(&self) -> Option<NodeId> {
        self.find(&self.flow.start)
    }

    /// Where it goes on when the caller hangs up.
    pub fn on_hang_up(&self) -> Option<NodeId> {
        self.find(self.flow.on_hang_up.as_deref()?)
    }

    /// Where it goes when a node fails that has no edge of its own for it.
    pub fn on_fault(&self) -> Option<NodeId> {
        self.find(self.flow.on_fault.as_deref()?)
    }
}

impl Step {
    fn new(name: &str, node: &Node) -> Step {
        // What is no template (reading refuses it) is taken as it stands.
        let template = |text: &str| {
            Template::parse(text)
                .unwrap_or_else(|_| Template { parts: vec![Part::Text(text.to_owned())] })
        };
        let (url, headers) = match node {
            Node::Http { url, headers, .. } => (
                template(url),
                headers.iter().map(|(name, value)| (name.clone(), template(value))).collect(),
            ),
            _ => (Template::default(), Vec::new()),
        };
        Step { name: name.into(), node: node.clone(), url, headers }
    }
}

/// The flows of a tenant, ready to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flows {
    published: BTreeMap<Name, Arc<Program>>,
    drafts: BTreeMap<Name, Arc<Program>>,
}

impl Flows {
    /// Makes flows ready.
    pub fn build(published: &BTreeMap<Name, Flow>, drafts: &BTreeMap<Name, Flow>) -> Flows {
        let ready = |flows: &BTreeMap<Name, Flow>| {
            flows
                .iter()
                .map(|(name, flow)| (name.clone(), Arc::new(Program::new(name, flow))))
                .collect()
        };
        Flows { published: ready(published), drafts: ready(drafts) }
    }

    /// A flow: its draft if one is asked for and there is one, else what is published.
    pub fn get(&self, name: &str, draft: bool) -> Option<&Arc<Program>> {
        let drafted = if draft { self.drafts.get(name) } else { None };
        drafted.or_else(|| self.published.get(name))
    }

    /// Whether a flow has a draft.
    pub fn has_draft(&self, name: &str) -> bool {
        self.drafts.contains_key(name)
    }

    /// The names of what is published.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.published.keys().map(String::as_str)
    }
}
