//! Two tenants with equal agent numbers and queue names, side by side on one server: told apart by
//! domain, access code and trunk, and nothing crosses.

use hotline_tests::phone::SOON;
use hotline_tests::{Centre, Net, Phone, Server, Setup, ms};

fn tenant(name: &str, code: &str, net: &Net) -> Centre {
    Centre::new(name)
        .queue("support", "wrap_up_s = 0")
        .route(code, "1", "support")
        .agent("1001", "support", "")
        .trunk("carrier", &[&net.carrier_network()])
}

fn start(engines: u16) -> Server {
    let mut setup =
        Setup::with(|net| vec![tenant("alpha", "12345", net), tenant("beta", "54321", net)]);
    setup.engines = engines;
    Server::start(setup)
}

fn agent(server: &Server, n: u8, tenant: &str) -> Phone {
    let domain = format!("{tenant}.test");
    Phone::udp(server.net.agent(n), server.sip(), "1001").of(&domain).registered()
}

fn state(server: &Server, tenant: &str) -> String {
    let agent = server.api().read(&format!("agents/1001?tenant={tenant}"));
    hotline_tests::api::state_of(&agent)
}

fn each_call_finds_its_tenants_agent(engines: u16) {
    let server = start(engines);
    let mut alpha = agent(&server, 0, "alpha");
    assert_eq!(
        (state(&server, "alpha"), state(&server, "beta")),
        ("idle".into(), "signed_out".into())
    );
    let mut beta = agent(&server, 1, "beta");
    assert_eq!(state(&server, "beta"), "idle");

    // One trunk address for both: the access code names the tenant.
    let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let audio = caller.local;
    let mut to_beta = caller.invite("543211", audio);
    caller.answered(&mut to_beta);
    let ringing_beta = beta.ringing(SOON);
    let mut to_alpha = caller.invite("123451", audio);
    caller.answered(&mut to_alpha);
    let ringing_alpha = alpha.ringing(SOON);
    alpha.expect_no("INVITE", ms(200));
    alpha.answer(&ringing_alpha, audio);
    beta.answer(&ringing_beta, audio);
    for (call, agent, ringing) in
        [(&mut to_alpha, &mut alpha, &ringing_alpha), (&mut to_beta, &mut beta, &ringing_beta)]
    {
        assert_eq!(caller.hang_up(call), 200);
        agent.hung_up(ringing, SOON);
    }
    let api = server.api();
    hotline_tests::until("a record in each tenant", SOON, || {
        api.records_of("alpha").len() == 1 && api.records_of("beta").len() == 1
    });
    assert_eq!(api.records_of("alpha")[0]["caller_sip_call_id"], to_alpha.id.as_str());
    assert_eq!(api.records_of("beta")[0]["caller_sip_call_id"], to_beta.id.as_str());
    for tenant in ["alpha", "beta"] {
        let record = &api.records_of(tenant)[0];
        assert_eq!(record["agent"], "1001", "{record:#}");
        assert_eq!(record["reason"], "normal_clearing", "{record:#}");
    }
}

#[test]
fn each_call_finds_its_tenants_agent_with_one_engine() {
    each_call_finds_its_tenants_agent(1);
}

#[test]
fn each_call_finds_its_tenants_agent_with_two_engines() {
    each_call_finds_its_tenants_agent(2);
}

#[test]
fn one_tenants_password_opens_nothing_of_the_other() {
    let server = Server::start(Setup::with(|net| {
        let alpha = tenant("alpha", "12345", net);
        let beta = Centre::new("beta")
            .queue("support", "")
            .route("54321", "1", "support")
            .agent("1001", "support", "")
            .agent("2001", "support", "")
            .trunk("carrier", &[&net.carrier_network()]);
        vec![alpha, beta]
    }));
    // 2001 is nobody in alpha; its right password of beta is no help there.
    let mut phone = Phone::udp(server.net.agent(0), server.sip(), "2001").of("alpha.test");
    let refused = phone.register_for(60);
    assert!(matches!(refused.status(), Some(401 | 403)), "{refused:#?}");
    assert!(refused.header("WWW-Authenticate").contains("alpha.test"), "{refused:#?}");
    let mut at_home = Phone::udp(server.net.agent(1), server.sip(), "2001").of("beta.test");
    assert_eq!(at_home.register_for(60).status(), Some(200));
}

#[test]
fn a_trunk_of_one_tenant_does_not_reach_the_other() {
    let server = Server::start(Setup::with(|net| {
        let of = |name: &str, code: &str, last: u8| {
            Centre::new(name)
                .queue("support", "")
                .route(code, "1", "support")
                .agent("1001", "support", "")
                .trunk("carrier", &[&format!("{}", net.carrier(last))])
        };
        vec![of("alpha", "12345", 0), of("beta", "54321", 1)]
    }));
    let mut of_alpha = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let audio = of_alpha.local;
    let call = of_alpha.invite("543211", audio);
    let refused = of_alpha.refused(&call, SOON);
    assert!(matches!(refused.status(), Some(401 | 403 | 404)), "{refused:#?}");
    let mut call = of_alpha.invite("123451", audio);
    of_alpha.answered(&mut call);
    assert_eq!(of_alpha.hang_up(&mut call), 200);
    let api = server.api();
    hotline_tests::until("a record", SOON, || api.records_of("alpha").len() == 1);
    assert_eq!(api.records_of("beta").len(), 0);
}

#[test]
fn a_bare_address_means_the_default_tenant() {
    let server = start(1);
    let bare = server.sip().ip().to_string();
    let mut phone = Phone::udp(server.net.agent(0), server.sip(), "1001").of(&bare);
    assert_eq!(phone.register_for(60).status(), Some(200));
    assert_eq!(
        (state(&server, "alpha"), state(&server, "beta")),
        ("idle".into(), "signed_out".into())
    );
}
