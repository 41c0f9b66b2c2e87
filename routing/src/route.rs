//! From a normalised number to a destination, by access codes and called routes.
//!
//! Owns: the longest access code that yields a route wins; what follows it must be an extension
//! code (1–12 of `0-9 * #`); drafts are routes for test callers only; outside its working time a
//! route leads to its out-of-hours destination. Does not own: normalisation ([`crate::number`]),
//! calendars (whether a working time is open is asked of who resolves), nor what a destination
//! does. Needs no agents or queues, so a command line can ask it too.

use crate::config::{AnswerSupervision, CalledRoute, Config, Destination};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most characters of an extension code.
pub const EXTENSION_CODE_MAX: usize = 12;

/// What a resolution depends on beside the number.
#[derive(Clone, Copy)]
pub struct Circumstances<'a> {
    /// Whether the caller may try drafts.
    pub test_caller: bool,
    /// Whether the working time of this name is open now; `None`: there is no such working time.
    pub is_open: &'a dyn Fn(&str) -> Option<bool>,
}

impl Circumstances<'static> {
    /// For who only asks whether there is a route at all: drafts count, everything is open.
    pub const ANY: Circumstances<'static> =
        Circumstances { test_caller: true, is_open: &|_| Some(true) };
}

impl std::fmt::Debug for Circumstances<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Circumstances").field("test_caller", &self.test_caller).finish()
    }
}

/// What a route's working time says now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hours {
    /// The route has none: it is always open.
    #[default]
    Always,
    /// Open.
    Open,
    /// Closed: the out-of-hours destination counts.
    Closed,
    /// The working time it names is not configured: the route counts as open.
    Unknown,
}

/// Where a number leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// The called route taken: its place in [`Config::called_routes`].
    pub route: u32,
    /// The access code that won.
    pub access_code: CompactString,
    /// What was dialled after it.
    pub extension_code: Option<CompactString>,
    /// The extension code is unknown and the route of the code alone was taken, as allowed.
    pub extension_unknown: bool,
    /// Where to: the route's destination, or its out-of-hours destination when it is closed. `None`:
    /// closed, without one; the caller hears so and is released.
    pub destination: Option<Destination>,
    /// The working time that was asked.
    pub working_time: Option<String>,
    /// What it said.
    pub hours: Hours,
    /// The route is a draft: a test call.
    pub draft: bool,
    /// Priority in the queue, 0–100.
    pub priority: u8,
    /// Language of prompts by the route, else by the access code; `None`: neither says.
    pub language: Option<String>,
    /// When the caller's call is answered.
    pub answer_supervision: AnswerSupervision,
}

/// Why a number leads nowhere (404).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NoRoute {
    /// No access code of the tenant begins the number.
    #[error("the number begins with no access code of this tenant")]
    NoAccessCode,
    /// Access codes do, but none yields a route.
    #[error("no called route for what was dialled after the access code")]
    NoRoute,
}

/// The access codes that begin a number, longest first, each with its verdict.
pub type RouteTrace = Vec<CodeConsidered>;

/// One access code considered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeConsidered {
    /// The access code.
    pub access_code: CompactString,
    /// What was dialled after it.
    pub rest: CompactString,
    /// The verdict.
    pub verdict: CodeVerdict,
}

/// Why an access code was or was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeVerdict {
    /// Taken, by this called route.
    Taken {
        /// Its place in [`Config::called_routes`].
        route: u32,
    },
    /// It would yield this route, but a longer access code did.
    Shorter {
        /// Its place in [`Config::called_routes`].
        route: u32,
    },
    /// The code alone was dialled, and it has no route of its own.
    NoRouteAlone,
    /// The rest is no extension code: over 12 characters.
    NotAnExtensionCode,
    /// No route for this extension code, nor may the code's own be taken.
    UnknownExtension,
    /// It would yield this route, but that is a draft and the caller is no test caller.
    Draft {
        /// Its place in [`Config::called_routes`].
        route: u32,
    },
}

/// The called routes, indexed.
#[derive(Debug, Default)]
pub struct Routes {
    codes: BTreeMap<CompactString, CodeRoutes>,
    longest: usize,
}

#[derive(Debug, Default)]
struct CodeRoutes {
    alone: Option<u32>,
    extensions: BTreeMap<CompactString, u32>,
    unknown_extension_allowed: bool,
    language: Option<String>,
}

impl Routes {
    /// Indexes the routes of a configuration; of two with one pair the first counts.
    pub fn new(config: &Config) -> Routes {
        let mut routes = Routes::default();
        for code in config.access_codes.iter().filter(|code| !code.code.is_empty()) {
            routes.longest = routes.longest.max(code.code.len());
            let entry = routes.codes.entry(CompactString::new(&code.code)).or_default();
            entry.unknown_extension_allowed = code.unknown_extension_allowed;
            entry.language.clone_from(&code.language);
        }
        for (index, route) in config.called_routes.iter().enumerate() {
            let Some(entry) = routes.codes.get_mut(route.access_code.as_str()) else { continue };
            let index = index as u32;
            match &route.extension_code {
                None => {
                    entry.alone.get_or_insert(index);
                }
                Some(extension) => {
                    entry.extensions.entry(CompactString::new(extension)).or_insert(index);
                }
            }
        }
        routes
    }

    /// Where a normalised number leads; `config` is the one the routes were made of.
    ///
    /// # Errors
    /// [`NoRoute`]: 404.
    pub fn resolve(
        &self,
        config: &Config,
        number: &str,
        about: Circumstances<'_>,
    ) -> Result<Resolution, NoRoute> {
        let mut any = false;
        for (code, rest, entry) in self.matching(number) {
            any = true;
            if let Ok(route) = entry.route(config, rest, about.test_caller)
                && let Some(found) = resolution(config, code, rest, route, about)
            {
                let language = found.language.or_else(|| entry.language.clone());
                return Ok(Resolution { language, ..found });
            }
        }
        Err(if any { NoRoute::NoRoute } else { NoRoute::NoAccessCode })
    }

    /// The same with every access code that matches and why it was or was not taken.
    pub fn resolve_explained(
        &self,
        config: &Config,
        number: &str,
        about: Circumstances<'_>,
    ) -> (Result<Resolution, NoRoute>, RouteTrace) {
        let mut trace = RouteTrace::new();
        let mut taken = false;
        for (code, rest, entry) in self.matching(number) {
            let verdict = match entry.route(config, rest, about.test_caller) {
                Ok((route, _)) if taken => CodeVerdict::Shorter { route },
                Ok((route, _)) => {
                    taken = true;
                    CodeVerdict::Taken { route }
                }
                Err(why) => why,
            };
            trace.push(CodeConsidered {
                access_code: CompactString::new(code),
                rest: CompactString::new(rest),
                verdict,
            });
        }
        (self.resolve(config, number, about), trace)
    }

    /// The access codes that begin a number, longest first.
    fn matching<'a>(
        &'a self,
        number: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a CodeRoutes)> {
        (1..=self.longest.min(number.len())).rev().filter_map(move |length| {
            let (code, rest) = number.split_at_checked(length)?;
            Some((code, rest, self.codes.get(code)?))
        })
    }
}

impl CodeRoutes {
    /// The route for what follows the code, and whether it stands in for an unknown extension. To
    /// who may not try drafts they are not there, unless nothing else is: then it is told so.
    fn route(
        &self,
        config: &Config,
        rest: &str,
        test_caller: bool,
    ) -> Result<(u32, bool), CodeVerdict> {
        let is_draft = |route: u32| {
            !test_caller
                && config.called_routes.get(route as usize).is_some_and(|route| route.draft)
        };
        let alone = self.alone.filter(|route| !is_draft(*route));
        if rest.is_empty() {
            let why =
                self.alone.map_or(CodeVerdict::NoRouteAlone, |route| CodeVerdict::Draft { route });
            return alone.map(|route| (route, false)).ok_or(why);
        }
        if !is_extension_code(rest) {
            return Err(CodeVerdict::NotAnExtensionCode);
        }
        let extension = self.extensions.get(rest).copied();
        match (extension.filter(|route| !is_draft(*route)), alone) {
            (Some(route), _) => Ok((route, false)),
            (None, Some(route)) if self.unknown_extension_allowed => Ok((route, true)),
            _ => Err(extension
                .map_or(CodeVerdict::UnknownExtension, |route| CodeVerdict::Draft { route })),
        }
    }
}

/// Whether a text is an extension code: 1–12 of `0-9 * #`.
pub fn is_extension_code(text: &str) -> bool {
    (1..=EXTENSION_CODE_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#')
}

fn resolution(
    config: &Config,
    code: &str,
    rest: &str,
    (route, extension_unknown): (u32, bool),
    about: Circumstances<'_>,
) -> Option<Resolution> {
    let CalledRoute {
        destination,
        priority,
        language,
        answer_supervision,
        working_time,
        out_of_hours,
        draft,
        ..
    } = config.called_routes.get(route as usize)?;
    let hours = match working_time.as_deref().map(about.is_open) {
        None => Hours::Always,
        Some(Some(true)) => Hours::Open,
        Some(Some(false)) => Hours::Closed,
        Some(None) => Hours::Unknown,
    };
    let destination = match hours {
        Hours::Closed => out_of_hours.clone(),
        Hours::Always | Hours::Open | Hours::Unknown => Some(destination.clone()),
    };
    Some(Resolution {
        route,
        access_code: CompactString::new(code),
        extension_code: (!rest.is_empty()).then(|| CompactString::new(rest)),
        extension_unknown,
        destination,
        working_time: working_time.clone(),
        hours,
        draft: *draft,
        priority: *priority,
        language: language.clone(),
        answer_supervision: *answer_supervision,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AccessCode;

    fn config() -> Config {
        let code = |code: &str, unknown_extension_allowed| AccessCode {
            code: code.into(),
            unknown_extension_allowed,
            ..AccessCode::default()
        };
        let route = |access_code: &str, extension: Option<&str>, queue: &str| {
            CalledRoute::new(access_code, extension, Destination::SkillQueue(queue.into()))
        };
        Config {
            access_codes: vec![
                code("12345", false),
                code("123", false),
                code("900", true),
                code("1234567", false),
                code("77", false),
            ],
            called_routes: vec![
                route("12345", Some("1"), "support"),
                route("12345", None, "welcome"),
                route("123", Some("459"), "short"),
                route("900", None, "all"),
                route("900", Some("*1#"), "star"),
            ],
            ..Config::default()
        }
    }

    #[test]
    fn the_longest_access_code_that_yields_a_route_wins() {
        let config = config();
        let routes = Routes::new(&config);
        let check = |number: &str, expected: Result<&str, NoRoute>| {
            let found = routes.resolve(&config, number, Circumstances::ANY).map(queue_of);
            assert_eq!(found, expected.map(String::from), "{number}");
            let explained = routes.resolve_explained(&config, number, Circumstances::ANY);
            assert_eq!(explained.0.is_ok(), expected.is_ok());
        };
        check("12345", Ok("welcome"));
        check("123451", Ok("support"));
        check("123459", Ok("short")); // 12345 + 9 is unknown, 123 + 459 is not
        check("1234567", Err(NoRoute::NoRoute)); // 1234567 has no route, 12345 + 67 none
        check("123452", Err(NoRoute::NoRoute));
        check("900", Ok("all"));
        check("900*1#", Ok("star"));
        check("9005", Ok("all")); // unknown extension, allowed
        check("9001234567890123", Err(NoRoute::NoRoute)); // 13 characters are no extension code
        check("77", Err(NoRoute::NoRoute));
        check("8", Err(NoRoute::NoAccessCode));
        check("", Err(NoRoute::NoAccessCode));
        check("é12345", Err(NoRoute::NoAccessCode));
        let found = |number: &str| routes.resolve(&config, number, Circumstances::ANY).unwrap();
        assert!(found("9005").extension_unknown);
        assert_eq!(found("123451").extension_code.as_deref(), Some("1"));
    }

    #[test]
    fn the_language_of_a_route_goes_before_that_of_its_access_code() {
        let mut config = config();
        config.access_codes[0].language = Some("zh".into());
        config.called_routes[0].language = Some("es".into());
        let routes = Routes::new(&config);
        let language =
            |number: &str| routes.resolve(&config, number, Circumstances::ANY).unwrap().language;
        assert_eq!(language("123451").as_deref(), Some("es"));
        assert_eq!(language("12345").as_deref(), Some("zh"));
        assert_eq!(language("123459"), None, "of another access code");
    }

    fn queue_of(found: Resolution) -> String {
        match found.destination {
            Some(Destination::SkillQueue(name)) => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_draft_is_there_for_test_callers_only() {
        let mut config = config();
        config.called_routes[0].draft = true;
        config.called_routes[3].draft = true;
        let routes = Routes::new(&config);
        let resolve = |number: &str, test_caller: bool| {
            let about = Circumstances { test_caller, ..Circumstances::ANY };
            let (found, trace) = routes.resolve_explained(&config, number, about);
            (found.map(|found| (found.draft, queue_of(found))), trace)
        };
        assert_eq!(resolve("123451", true).0, Ok((true, "support".into())));
        let (refused, trace) = resolve("123451", false);
        assert_eq!(refused, Err(NoRoute::NoRoute));
        assert_eq!(trace[0].verdict, CodeVerdict::Draft { route: 0 });
        assert_eq!(resolve("12345", false).0, Ok((false, "welcome".into())), "published");
        // The draft does not stand in for unknown extensions either.
        assert_eq!(resolve("9005", false).0, Err(NoRoute::NoRoute));
        assert_eq!(resolve("900", false).1[0].verdict, CodeVerdict::Draft { route: 3 });
        assert_eq!(resolve("900*1#", false).0, Ok((false, "star".into())));
    }

    #[test]
    fn outside_its_working_time_a_route_leads_elsewhere() {
        let mut config = config();
        config.called_routes[0].working_time = Some("office".into());
        config.called_routes[0].out_of_hours = Some(Destination::Flow("closed".into()));
        let routes = Routes::new(&config);
        let resolve = |config: &Config, open: Option<bool>| {
            let is_open = move |name: &str| open.filter(|_| name == "office");
            let about = Circumstances { test_caller: false, is_open: &is_open };
            let found = routes.resolve(config, "123451", about).unwrap();
            (found.hours, found.destination)
        };
        let support = Some(Destination::SkillQueue("support".into()));
        assert_eq!(resolve(&config, Some(true)), (Hours::Open, support.clone()));
        let closed = Some(Destination::Flow("closed".into()));
        assert_eq!(resolve(&config, Some(false)), (Hours::Closed, closed));
        assert_eq!(resolve(&config, None), (Hours::Unknown, support));
        config.called_routes[0].out_of_hours = None;
        assert_eq!(resolve(&config, Some(false)), (Hours::Closed, None));
    }

    #[test]
    fn the_explanation_names_each_code_and_its_verdict() {
        let config = config();
        let routes = Routes::new(&config);
        let verdicts = |number: &str| -> Vec<(String, CodeVerdict)> {
            let (_, trace) = routes.resolve_explained(&config, number, Circumstances::ANY);
            trace.into_iter().map(|code| (code.access_code.into(), code.verdict)).collect()
        };
        assert_eq!(
            verdicts("123459"),
            [
                ("12345".into(), CodeVerdict::UnknownExtension),
                ("123".into(), CodeVerdict::Taken { route: 2 }),
            ]
        );
        assert_eq!(
            verdicts("1234567"),
            [
                ("1234567".into(), CodeVerdict::NoRouteAlone),
                ("12345".into(), CodeVerdict::UnknownExtension),
                ("123".into(), CodeVerdict::UnknownExtension),
            ]
        );
        assert_eq!(
            verdicts("12345"),
            [
                ("12345".into(), CodeVerdict::Taken { route: 1 }),
                ("123".into(), CodeVerdict::UnknownExtension),
            ]
        );
    }
}
