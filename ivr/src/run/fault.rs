//! Why a run cannot begin, or a node cannot do what it should: [`StartFault`], [`Fault`].
//!
//! Owns: the words. Does not own: where a run goes then ([`super::Run`]). No words tell a value.

use crate::expr::EvalFault;
use crate::model::Type;
use thiserror::Error;

/// Why a run cannot begin, or not go on from a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartFault {
    /// There is no such flow.
    #[error("there is no flow {0}")]
    NoFlow(String),
    /// There is no such node.
    #[error("flow {flow} has no node {node}")]
    NoNode {
        /// Flow.
        flow: String,
        /// Node.
        node: String,
    },
    /// More flows on the stack than there may be.
    #[error("more than {} flows on the stack", super::STACK_MAX)]
    StackFull,
}

/// Why a node failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("an edge leads to node {0}, which is not there")]
    NoNode(String),
    #[error("there is no flow {0}")]
    NoFlow(String),
    #[error("there is no working time {0}")]
    NoWorkingTime(String),
    #[error("more than {} flows on the stack", super::STACK_MAX)]
    StackFull,
    #[error("more than {} nodes without input or wait", super::STEPS_MAX)]
    TooManySteps,
    #[error("{0}")]
    Eval(#[from] EvalFault),
    #[error("there is no variable {0}")]
    NoVariable(String),
    #[error("variable {variable} is a {is:?}, not a {given:?}")]
    WrongType { variable: String, is: Type, given: Type },
    #[error("a value is not a {wanted}")]
    NotA { wanted: &'static str },
    #[error("priority is not 0–100")]
    Priority,
    #[error("attached data: 32 keys of 1–32 characters, values of at most 256")]
    Data,
    #[error("an address or header with more or other characters than it may have")]
    Request,
    #[error("{0}")]
    Effect(String),
    #[error("transfer failed: {0}")]
    Transfer(&'static str),
}
