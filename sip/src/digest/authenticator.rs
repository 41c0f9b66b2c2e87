//! The server's side: challenges, and the judgement of what comes back.

use super::fields::Authorization;
use super::nonce::{CountVerdict, NonceCounts, NonceMint, Recipient};
use super::{Algorithm, Credentials, Transcript, ha1};
use crate::build::ResponseBuilder;
use crate::header::HeaderName;
use crate::message::Message;
use hotline_base::{Epoch, Partition, Redacted, Rng, Wall};
use std::net::IpAddr;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// The limits of an [`Authenticator`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthenticatorSettings {
    /// How long a nonce may be used; then it is stale. Default one hour.
    pub nonce_lifetime: Duration,
    /// How many used nonces are remembered; beyond it the oldest becomes stale. Default 65,536.
    pub nonces_max: usize,
}

impl Default for AuthenticatorSettings {
    fn default() -> Self {
        AuthenticatorSettings { nonce_lifetime: Duration::from_secs(3600), nonces_max: 65_536 }
    }
}

/// The request whose sender must prove itself.
#[derive(Clone, Copy, Debug)]
pub struct Protected<'a> {
    /// Whose request it is.
    pub partition: Partition,
    /// From where it came.
    pub source: IpAddr,
    /// The tenant's realm.
    pub realm: &'a str,
    /// The method of the request line.
    pub method: &'a str,
    /// The Request-URI as written.
    pub uri: &'a [u8],
    /// The algorithms we offer there.
    pub algorithms: &'a [Algorithm],
}

impl<'a> Protected<'a> {
    fn recipient(&self) -> Recipient<'a> {
        Recipient { partition: self.partition, realm: self.realm, source: self.source }
    }
}

/// The judgement of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The sender knows the password and this is no replay.
    Accepted,
    /// Send 401 with [`Authenticator::challenge`].
    Challenge {
        /// The nonce is used up, too old, or was never given to that source: the phone may try
        /// again without asking its user (RFC 7616 §3.3), and nothing was said of its password.
        /// Otherwise the sender, who does receive what is sent to its address, does not know the
        /// password of the user, who may not exist: a failure that may be counted against it.
        stale: bool,
    },
    /// Send 400: the credentials were made for another Request-URI (RFC 7616 §3.4.6), with a
    /// nonce that was given to that source.
    OtherUri,
}

/// Challenges requests and checks the answers; one per engine, for all its partitions.
pub struct Authenticator {
    settings: AuthenticatorSettings,
    mint: NonceMint,
    counts: NonceCounts,
    rng: Rng,
    /// Stands in for an unknown user, so that it takes the same time.
    nobody: Credentials,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("nonces", &self.counts.len()).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// An authenticator whose nonces are proved with `secret`. Those of an earlier `epoch` or of
    /// another `rng` are stale: what they were used for is not known.
    pub fn new(
        settings: AuthenticatorSettings,
        secret: Redacted<[u8; 32]>,
        epoch: Epoch,
        mut rng: Rng,
    ) -> Authenticator {
        let mut password = [0; 16];
        rng.fill(&mut password);
        let mut start = [0; 16];
        rng.fill(&mut start);
        let start = [&epoch.0.to_be_bytes()[..], &start].concat();
        Authenticator {
            settings,
            mint: NonceMint::new(&secret, &start),
            counts: NonceCounts::new(settings.nonces_max),
            nobody: ha1("", "", super::Hex::of(&password).as_str()),
            rng,
        }
    }

    /// The values of the WWW-Authenticate headers of a 401, one per algorithm in the order of
    /// preference (RFC 8760 §2.4); all carry the same nonce.
    pub fn challenge(&mut self, wall: Wall, protected: &Protected<'_>, stale: bool) -> Vec<String> {
        let nonce = self.mint.mint(wall, protected.recipient(), &mut self.rng);
        let stale = if stale { ", stale=true" } else { "" };
        let one = |algorithm: &Algorithm| {
            format!(
                "Digest realm=\"{}\", nonce=\"{}\"{stale}, algorithm={}, qop=\"auth\"",
                protected.realm,
                nonce.as_str(),
                algorithm.as_str()
            )
        };
        protected.algorithms.iter().map(one).collect()
    }

    /// The 401 that challenges a request (as a user agent server, RFC 3261 §22.2); the To tag is the
    /// caller's to add.
    pub fn challenge_response(
        &mut self,
        wall: Wall,
        protected: &Protected<'_>,
        request: &Message,
        stale: bool,
    ) -> ResponseBuilder {
        let challenges = self.challenge(wall, protected, stale);
        challenges.into_iter().fold(ResponseBuilder::new(request, 401), |response, value| {
            response.header(HeaderName::WwwAuthenticate, value)
        })
    }

    /// Judges credentials. `credentials` are those of the claimed user, `None` if there is no such
    /// user: the same work is done and the same answer given.
    pub fn check(
        &mut self,
        wall: Wall,
        protected: &Protected<'_>,
        authorization: &Authorization<'_>,
        credentials: Option<&Credentials>,
    ) -> Verdict {
        // Before anything is said of the password: who invents nonces, or repeats somebody else's
        // from elsewhere, learns nothing and is not who it says.
        let recognised = self.mint.recognise(authorization.nonce, protected.recipient());
        let Some(nonce) = recognised.filter(|id| self.is_young(wall, id.0)) else {
            return Verdict::Challenge { stale: true };
        };
        if !same_resource(authorization.uri.as_bytes(), protected.uri) {
            return Verdict::OtherUri;
        }
        let transcript = Transcript {
            method: protected.method,
            uri: authorization.uri,
            nonce: authorization.nonce,
            counted: authorization.counted.map(|(nc, _, cnonce)| (nc, cnonce)),
        };
        let known = credentials.is_some();
        let expected =
            transcript.response(authorization.algorithm, credentials.unwrap_or(&self.nobody));
        let given = authorization.response.to_ascii_lowercase();
        let proved = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
        let offered = protected.algorithms.contains(&authorization.algorithm)
            && authorization.realm == protected.realm;
        if !(proved & known & offered) {
            return Verdict::Challenge { stale: false };
        }
        // Without qop there is no count: the nonce is good for one request.
        let count = authorization.counted.map_or(1, |(_, count, _)| count);
        match self.counts.note(nonce, count) {
            CountVerdict::Fresh => Verdict::Accepted,
            CountVerdict::Replayed | CountVerdict::Unknown => Verdict::Challenge { stale: true },
        }
    }

    /// How many used nonces are remembered.
    pub fn nonces(&self) -> usize {
        self.counts.len()
    }

    fn is_young(&mut self, wall: Wall, issued_ms: u64) -> bool {
        let now_ms = u64::try_from(wall.as_ms()).unwrap_or(0);
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let oldest_ms = now_ms.saturating_sub(ms(self.settings.nonce_lifetime));
        self.counts.forget_before(oldest_ms);
        (oldest_ms..=now_ms).contains(&issued_ms)
    }
}

/// Whether the `uri` of the credentials means the Request-URI: the same scheme, user, host and
/// port, whatever URI parameters the phone or a proxy added or left out; hosts without case.
fn same_resource(claimed: &[u8], requested: &[u8]) -> bool {
    fn core(uri: &[u8]) -> (&[u8], &[u8], &[u8]) {
        let colon = uri.iter().position(|&b| b == b':').map_or(0, |colon| colon + 1);
        let (scheme, rest) = uri.split_at(colon);
        let at = rest.iter().position(|&b| b == b'@').map_or(0, |at| at + 1);
        let (user, host) = rest.split_at(at);
        let end = host.iter().position(|b| b";?".contains(b)).unwrap_or(host.len());
        let (host, _) = host.split_at(end);
        (scheme, user, host.strip_suffix(b":5060").unwrap_or(host))
    }
    if claimed == requested {
        return true;
    }
    let (claimed, requested) = (core(claimed), core(requested));
    claimed.0.eq_ignore_ascii_case(requested.0)
        && claimed.1 == requested.1
        && claimed.2.eq_ignore_ascii_case(requested.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::client::{Challenge, answer};

    const START: Wall = Wall::from_s(1_000_000);

    struct Phone {
        authenticator: Authenticator,
        credentials: Credentials,
        algorithms: Vec<Algorithm>,
        wall: Wall,
    }

    impl Phone {
        fn new(algorithms: &[Algorithm], nonces_max: usize) -> Phone {
            let settings = AuthenticatorSettings { nonces_max, ..Default::default() };
            let secret = Redacted::new([3; 32]);
            Phone {
                authenticator: Authenticator::new(settings, secret, Epoch(1), Rng::from_number(1)),
                credentials: ha1("1001", "demo", "secret"),
                algorithms: algorithms.to_vec(),
                wall: START,
            }
        }

        fn protected<'a>(algorithms: &'a [Algorithm]) -> Protected<'a> {
            Protected {
                partition: Partition(1),
                source: "192.0.2.1".parse().unwrap(),
                realm: "demo",
                method: "REGISTER",
                uri: b"sip:demo.localhost",
                algorithms,
            }
        }

        fn challenges(&mut self) -> Vec<String> {
            let algorithms = self.algorithms.clone();
            self.authenticator.challenge(self.wall, &Phone::protected(&algorithms), false)
        }

        fn answer(challenge: &str, password: &str, nc: u32) -> String {
            let challenge = Challenge::parse(challenge.as_bytes()).unwrap();
            answer(&challenge, "REGISTER", "sip:demo.localhost", "1001", password, "c0ffee", nc)
        }

        fn judge(&mut self, authorization: &str) -> Verdict {
            let algorithms = self.algorithms.clone();
            let read = Authorization::parse(authorization.as_bytes()).unwrap();
            self.authenticator.check(
                self.wall,
                &Phone::protected(&algorithms),
                &read,
                Some(&self.credentials),
            )
        }
    }

    const STALE: Verdict = Verdict::Challenge { stale: true };
    const WRONG: Verdict = Verdict::Challenge { stale: false };

    #[test]
    fn the_right_password_is_accepted_under_each_algorithm_and_a_replay_is_not() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let mut phone = Phone::new(&[algorithm], 8);
            let challenge = phone.challenges().remove(0);
            let first = Phone::answer(&challenge, "secret", 1);
            assert_eq!(phone.judge(&first), Verdict::Accepted);
            assert_eq!(phone.judge(&first), STALE, "the same again is a replay");
            assert_eq!(phone.judge(&Phone::answer(&challenge, "secret", 2)), Verdict::Accepted);
            assert_eq!(phone.judge(&Phone::answer(&challenge, "wrong", 3)), WRONG);
        }
    }

    #[test]
    fn algorithms_are_offered_in_order_and_others_are_refused() {
        let mut phone = Phone::new(&[Algorithm::Sha256, Algorithm::Md5], 8);
        let challenges = phone.challenges();
        assert!(challenges[0].contains("algorithm=SHA-256"));
        assert!(challenges[1].contains("algorithm=MD5"));
        phone.algorithms = vec![Algorithm::Sha256];
        assert_eq!(phone.judge(&Phone::answer(&challenges[1], "secret", 1)), WRONG);
        assert_eq!(phone.judge(&Phone::answer(&challenges[0], "secret", 1)), Verdict::Accepted);
    }

    #[test]
    fn a_nonce_ages_is_evicted_and_is_lost_with_the_process_as_stale() {
        let mut phone = Phone::new(&[Algorithm::Md5], 2);
        let first = phone.challenges().remove(0);
        assert_eq!(phone.judge(&Phone::answer(&first, "secret", 1)), Verdict::Accepted);
        for _ in 0..2 {
            phone.wall = phone.wall + Duration::from_secs(1);
            let other = phone.challenges().remove(0);
            assert_eq!(phone.judge(&Phone::answer(&other, "secret", 1)), Verdict::Accepted);
        }
        assert_eq!(phone.authenticator.nonces(), 2);
        assert_eq!(phone.judge(&Phone::answer(&first, "secret", 2)), STALE, "evicted");
        assert_eq!(phone.judge(&Phone::answer(&first, "secret", 1)), STALE, "no replay either");
        let old = phone.challenges().remove(0);
        phone.wall = phone.wall + Duration::from_secs(3601);
        assert_eq!(phone.judge(&Phone::answer(&old, "secret", 1)), STALE, "expired");
        assert_eq!(phone.judge(&Phone::answer(&old, "wrong", 1)), STALE);
        assert_eq!(phone.authenticator.nonces(), 0);
        let young = phone.challenges().remove(0);
        let secret = Redacted::new([3; 32]);
        let settings = AuthenticatorSettings::default();
        phone.authenticator = Authenticator::new(settings, secret, Epoch(2), Rng::from_number(1));
        assert_eq!(phone.judge(&Phone::answer(&young, "secret", 1)), STALE, "restarted");
    }

    /// A node was started while its clock was an hour ahead; the clock was then set right. Every
    /// nonce was older than the start and so counted as used: nobody could register for an hour.
    #[test]
    fn a_clock_that_was_ahead_at_an_earlier_start_locks_nobody_out() {
        let mut phone = Phone::new(&[Algorithm::Md5], 8);
        phone.wall = START + Duration::from_secs(3_600);
        let ahead = phone.challenges().remove(0);
        assert_eq!(phone.judge(&Phone::answer(&ahead, "secret", 1)), Verdict::Accepted);
        phone.wall = START;
        let right = phone.challenges().remove(0);
        assert_eq!(phone.judge(&Phone::answer(&right, "secret", 1)), Verdict::Accepted);
        assert_eq!(phone.judge(&Phone::answer(&right, "secret", 1)), STALE, "still no replay");
    }

    /// Whoever can forge a source address sent wrong answers in the name of an office with nonces
    /// it had made up: sixty of them, and the office was not listened to any more. And with
    /// invented nonces passwords could be tried: the right one was told from the wrong by `stale`.
    #[test]
    fn without_a_nonce_of_ours_given_to_that_source_nothing_is_said_of_the_password() {
        let mut phone = Phone::new(&[Algorithm::Md5], 8);
        let challenge = phone.challenges().remove(0);
        let invented = challenge.replace("nonce=\"0", "nonce=\"1");
        let text = Phone::answer(&challenge, "wrong", 1);
        let read = Authorization::parse(text.as_bytes()).unwrap();
        let algorithms = [Algorithm::Md5];
        let elsewhere =
            Protected { source: "198.51.100.9".parse().unwrap(), ..Phone::protected(&algorithms) };
        let known = Some(&phone.credentials);
        assert_eq!(phone.authenticator.check(START, &elsewhere, &read, known), STALE);
        for password in ["secret", "wrong"] {
            assert_eq!(phone.judge(&Phone::answer(&invented, password, 1)), STALE, "{password}");
        }
        assert_eq!(phone.judge(&text), WRONG);
        assert_eq!(phone.judge(&Phone::answer(&challenge, "secret", 1)), Verdict::Accepted);
    }

    #[test]
    fn without_qop_a_nonce_is_good_once() {
        let mut phone = Phone::new(&[Algorithm::Md5], 8);
        let challenge = phone.challenges().remove(0).replace(", qop=\"auth\"", "");
        let old = Phone::answer(&challenge, "secret", 1);
        assert!(!old.contains("cnonce"));
        assert_eq!(phone.judge(&old), Verdict::Accepted);
        assert_eq!(phone.judge(&old), STALE);
    }

    #[test]
    fn an_unknown_user_gets_the_answer_of_a_wrong_password() {
        let mut phone = Phone::new(&[Algorithm::Md5], 8);
        let challenge = phone.challenges().remove(0);
        let text = Phone::answer(&challenge, "secret", 1);
        let read = Authorization::parse(text.as_bytes()).unwrap();
        let algorithms = [Algorithm::Md5];
        let protected = Phone::protected(&algorithms);
        assert_eq!(phone.authenticator.check(START, &protected, &read, None), WRONG);
        let elsewhere = Protected { partition: Partition(2), ..protected };
        let known = Some(&phone.credentials);
        assert_eq!(phone.authenticator.check(START, &elsewhere, &read, known), STALE);
        let invite = Protected { method: "INVITE", ..protected };
        assert_eq!(phone.authenticator.check(START, &invite, &read, known), WRONG);
    }

    #[test]
    fn the_uri_must_mean_the_request_uri() {
        for (claimed, requested, same) in [
            ("sip:demo", "sip:demo", true),
            ("sip:demo", "sip:DEMO;transport=tcp", true),
            ("sip:demo:5060", "sip:demo", true),
            ("sip:1001@demo;user=phone", "sip:1001@demo", true),
            ("sip:1001@demo", "sip:1002@demo", false),
            ("sip:demo", "sips:demo", false),
            ("sip:demo", "sip:other", false),
            ("", "sip:demo", false),
        ] {
            let judged = same_resource(claimed.as_bytes(), requested.as_bytes());
            assert_eq!(judged, same, "{claimed} for {requested}");
        }
    }
}
