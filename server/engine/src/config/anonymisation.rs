//! Number anonymisation: what customers and agents see of each other.
//!
//! Owns the settings of one agent. Does not own where they are put into messages (the engine's
//! calls).

/// An agent's number anonymisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anonymisation {
    /// The mark for third parties, who are told of it; it changes nothing here.
    pub anonymised: bool,
    /// The number that outside parties see whom the agent calls or hands customers over to, in place
    /// of the tenant's.
    pub number_shown_to_customer: Option<String>,
    /// The number that the agent sees of customers, in place of theirs.
    pub number_shown_to_agent: Option<String>,
}
