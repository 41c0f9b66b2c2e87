//! What single-phone agents need: a way in, a way out, a PIN, keys that can be told apart.

use super::Found;
use crate::config::build;
use crate::config::flows::{leads_to, signs_in};
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

impl Found<'_> {
    pub(super) fn single_phone(&mut self) {
        let settings = match build::single_phone(self.centre) {
            Ok(settings) => settings,
            Err(error) => {
                let tenant = self.centre.name();
                return self.fault("tenant", tenant, "single_phone", "set".into(), error);
            }
        };
        self.feature_codes(&settings.feature_codes.all());
        let targets = self.targets();
        let settings_trunk = settings.trunk;
        if let Some(trunk) = settings_trunk.as_ref().filter(|trunk| !targets.contains(*trunk)) {
            let (tenant, value) = (self.centre.name(), format!("{trunk:?}"));
            let allowed = "the name of a trunk that has a target".into();
            self.fault("tenant", tenant, "single_phone.trunk", value, allowed);
        }
        let phones = self.centre.of_kind("agent").any(|(_, agent)| has_single_phone(agent));
        if phones && settings_trunk.is_none() && targets.len() > 1 {
            let names: Vec<_> = targets.iter().map(String::as_str).collect();
            let allowed =
                format!("the trunk that mobiles are called by, one of {}", names.join(", "));
            self.fault("tenant", self.centre.name(), "single_phone.trunk", String::new(), allowed);
        }
        let sign_in = self.has_sign_in();
        for (name, agent) in self.centre.of_kind("agent") {
            let Some(phone) = agent.get("single_phone").filter(|_| has_single_phone(agent)) else {
                continue;
            };
            let mut needs = |allowed: &str| {
                let value = "{ enabled = true }".into();
                self.fault("agent", name, "single_phone", value, allowed.into());
            };
            if !["pin", "pin_hash", "generate"].iter().any(|key| phone.get(*key).is_some()) {
                needs("with a pin");
            }
            if !sign_in {
                needs(
                    "only with a way to sign in: a called route, no draft, to a published flow that has an \
                     agent_sign_in node",
                );
            }
            if targets.is_empty() {
                needs("only with a trunk that has a target");
            }
        }
    }

    /// Trunks that can be called over.
    fn targets(&self) -> BTreeSet<String> {
        let trunks = self.centre.of_kind("trunk");
        trunks.filter(|(_, trunk)| trunk.contains_key("target")).map(|(n, _)| n.into()).collect()
    }

    /// Whether a number leads everybody, at some time of day, to a flow in which agents sign in.
    fn has_sign_in(&self) -> bool {
        let routes = self.centre.of_kind("called_route").map(|(_, route)| route);
        let routes = routes.filter(|route| route.get("draft") != Some(&Json::Bool(true)));
        let flows = routes.flat_map(|route| {
            let out_of_hours = route.get("out_of_hours").and_then(|target| target.get("flow"));
            [route.get("flow"), out_of_hours]
        });
        let mut open: Vec<String> =
            flows.flatten().filter_map(Json::as_str).map(String::from).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            let Some(flow) = self.centre.flows.get(&name) else { continue };
            if signs_in(&flow.document) {
                return true;
            }
            if seen.insert(name) {
                let next = leads_to(&flow.document).into_iter();
                open.extend(next.filter(|(kind, _)| *kind == "flow").map(|(_, name)| name));
            }
        }
        false
    }

    /// No code is another, nor the beginning of another: what is pressed means one thing.
    fn feature_codes(&mut self, codes: &[(&str, &str)]) {
        for (key, code) in codes {
            let clash =
                codes.iter().find(|(other, longer)| other != key && longer.starts_with(code));
            if let Some((other, _)) = clash {
                let (tenant, field) =
                    (self.centre.name(), format!("single_phone.feature_codes.{key}"));
                let allowed = format!("a code that {other} does not begin with");
                self.fault("tenant", tenant, &field, format!("{code:?}"), allowed);
            }
        }
    }
}

fn has_single_phone(agent: &Map<String, Json>) -> bool {
    let enabled = agent.get("single_phone").and_then(|phone| phone.get("enabled"));
    enabled == Some(&Json::Bool(true))
}
