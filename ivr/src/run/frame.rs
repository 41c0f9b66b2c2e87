//! [`Frame`]: a flow on the stack: where it is, what its variables hold, how often its loops went.
//!
//! Owns: assignment by declared types. Does not own: the stack ([`super::Run`]).
//!
//! A loop counts until it has gone its number of times and its `next` edge is taken; a body that
//! leaves it by another way and comes again later goes on counting.

use super::fault::Fault;
use crate::model::{Name, Node, Target, Value};
use crate::program::{Flows, NodeId, Program};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) struct Frame {
    pub(super) program: Arc<Program>,
    pub(super) node: NodeId,
    /// Only variables that are set.
    pub(super) values: BTreeMap<Name, Value>,
    pub(super) loops: Vec<(NodeId, u8)>,
}

impl Frame {
    pub(super) fn new(program: &Arc<Program>, node: NodeId) -> Frame {
        let first = |(name, variable): (&Name, &crate::model::Variable)| {
            variable.value.clone().map(|value| (name.clone(), value))
        };
        let values = program.flow().variables.iter().filter_map(first).collect();
        Frame { program: Arc::clone(program), node, values, loops: Vec::new() }
    }

    pub(super) fn node_name(&self) -> &str {
        self.program.step(self.node).map_or("?", |step| &step.name)
    }

    /// Sets a variable; what it held.
    pub(super) fn assign(&mut self, name: &str, value: Value) -> Result<Option<Value>, Fault> {
        let declared = self.program.flow().variables.get(name);
        let declared = declared.ok_or_else(|| Fault::NoVariable(name.into()))?;
        if declared.kind != value.kind() {
            let (is, given) = (declared.kind, value.kind());
            return Err(Fault::WrongType { variable: name.into(), is, given });
        }
        match self.values.get_mut(name) {
            Some(held) => Ok(Some(std::mem::replace(held, value))),
            None => Ok(self.values.insert(name.into(), value)),
        }
    }

    /// Puts back what [`Frame::assign`] gave.
    pub(super) fn put_back(&mut self, name: &str, held: Option<Value>) {
        match held {
            Some(value) => drop(self.values.insert(name.into(), value)),
            None => drop(self.values.remove(name)),
        }
    }

    /// Whether a loop goes once more.
    pub(super) fn goes_again(&mut self, node: NodeId, times: u8) -> bool {
        let place = self.loops.iter().position(|(of, _)| *of == node);
        match place.and_then(|place| self.loops.get_mut(place)) {
            Some((_, gone)) if *gone < times => *gone += 1,
            Some(_) => {
                self.loops.retain(|(of, _)| *of != node);
                return false;
            }
            None if times > 0 => self.loops.push((node, 1)),
            None => return false,
        }
        true
    }
}

/// Whether a program, or any that it may call or go over to, asks for something secret.
pub(super) fn asks_for_secrets(flows: &Flows, draft: bool, program: &Program) -> bool {
    let mut seen: Vec<&str> = Vec::new();
    let mut open: Vec<&Program> = vec![program];
    while let Some(program) = open.pop() {
        seen.push(program.name());
        for (_, step) in program.steps() {
            let other = match &step.node {
                Node::AgentSignIn { .. } => return true,
                Node::Collect { into, .. } => {
                    let variable = program.flow().variables.get(into);
                    if variable.is_some_and(|variable| variable.secret) {
                        return true;
                    }
                    continue;
                }
                Node::Subflow { flow, .. } | Node::Transfer { to: Target::Flow(flow), .. } => flow,
                _ => continue,
            };
            if !seen.contains(&other.as_str()) {
                open.extend(flows.get(other, draft).map(Arc::as_ref));
                seen.push(other);
            }
        }
    }
    false
}
