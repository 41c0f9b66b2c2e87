//! Changes of flows: what they touch, and what is too much.

use super::flows::FlowRefusal;
use super::*;
use crate::config::flows::{FLOWS_MAX, Flow};
use crate::store::flows::VERSIONS_MAX;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Flows that end at once with a cause.
fn ends(cause: u8) -> Json {
    json!({ "start": "end", "node": { "end": { "kind": "end", "cause": cause } } })
}

async fn centres(dir: &Path) -> Centres {
    let text = format!("[node]\ndata_dir = {:?}\n", dir.display().to_string());
    let config = NodeConfig::read(&text, "test", &|_| None).unwrap();
    let store = Store::open(&config.store_url).await.unwrap();
    Centres::read(store, &config).await.unwrap()
}

fn tenant(name: &str, flows: usize) -> Centre {
    let root = json!({
        "tenant": { "name": name, "domains": [format!("{name}.test")], "realm": name },
    });
    let mut centre = centre::from_node(&Node::from_json(&root), "", None).unwrap().centre;
    for number in 0..flows {
        let flow = Flow { document: ends(16), version: 0 };
        centre.flows.insert(format!("flow_{number}"), flow);
    }
    centre
}

/// A draft that was kept had every tenant's configuration made anew, and every prompt of the node
/// looked at.
#[test]
fn a_change_of_one_tenants_flows_leaves_every_other_tenants_configuration_alone() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let mut centres = centres(dir.path()).await;
        for number in 0..50 {
            let wanted = tenant(&format!("tenant-{number}"), 1);
            centres.apply(wanted, None, Asked::default()).await.unwrap();
        }
        let mut before = centres.snapshot().unwrap();
        let changed = before.directory.tenants[7].partition;
        centres.put_draft(changed, "flow_0", ends(17), None).await.unwrap();
        for publishes in [false, true] {
            if publishes {
                assert_eq!(centres.publish_draft(changed, "flow_0", None).await.unwrap(), 2);
            }
            let after = centres.snapshot_of_flows(changed).unwrap();
            let (old, new) = (&before.directory.tenants, &after.directory.tenants);
            assert_eq!((old.len(), new.len()), (50, 50));
            for (old, new) in old.iter().zip(new) {
                assert_eq!(Arc::ptr_eq(old, new), old.partition != changed, "{}", old.name);
            }
            assert!(Arc::ptr_eq(&before.library, &after.library));
            assert!(Arc::ptr_eq(&before.policies, &after.policies));
            before = after;
        }
        // What was made piece by piece is what is made of all.
        let version = |snapshot: &Snapshot| snapshot.directory.version;
        let whole = centres.snapshot().unwrap();
        assert_eq!(version(&whole), version(&before));
        let (piecewise, whole) = (&before.directory.tenants[7], &whole.directory.tenants[7]);
        assert_eq!(format!("{:?}", piecewise.flows), format!("{:?}", whole.flows));
        assert_eq!(piecewise.prompts, whole.prompts);
    });
}

#[test]
fn a_tenant_has_so_many_flows_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let mut centres = centres(dir.path()).await;
        let mut apply = async |flows: usize| {
            let applied = centres.apply(tenant("acme", flows), None, Asked::default()).await;
            applied.map(drop)
        };
        let fault = |flows: usize| {
            format!("tenant \"acme\": flows = {flows}; allowed 0–500 (flows, drafts included)")
        };
        let refused = apply(FLOWS_MAX + 1).await;
        assert_eq!(refused, Err(ApplyError::Wrong(fault(FLOWS_MAX + 1))));
        assert_eq!(apply(FLOWS_MAX - 1).await, Ok(()));
        let of = centres.all()[0].0;
        centres.put_draft(of, "one_more", ends(17), None).await.unwrap();
        centres.put_draft(of, "flow_0", ends(17), None).await.unwrap();
        let Err(FlowRefusal::Wrong(faults)) = centres.put_draft(of, "two", ends(17), None).await
        else {
            panic!("it was kept");
        };
        assert_eq!(faults.to_string(), fault(FLOWS_MAX + 1));
        assert_eq!(centres.draft(of, "two"), None);
    });
}

#[test]
fn the_last_versions_of_a_flow_are_kept_and_no_number_is_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let mut centres = centres(dir.path()).await;
        let applied = centres.apply(tenant("acme", 1), None, Asked::default()).await;
        assert_eq!(applied.map(|applied| applied.version), Ok(Some(1)));
        let of = centres.all()[0].0;
        for round in 0..VERSIONS_MAX + 5 {
            let cause = if round % 2 == 0 { 17 } else { 16 };
            centres.put_draft(of, "flow_0", ends(cause), None).await.unwrap();
            centres.publish_draft(of, "flow_0", None).await.unwrap();
        }
        let kept = centres.store.flow_versions(of, "flow_0").await.unwrap();
        let kept: Vec<u32> = kept.iter().map(|one| one.version).collect();
        let newest = VERSIONS_MAX + 6;
        assert_eq!(kept, (7..=newest).rev().collect::<Vec<_>>());
        let Err(FlowRefusal::NotFound(why)) = centres.roll_back(of, "flow_0", 6, None).await else {
            panic!("it is gone");
        };
        assert_eq!(why, "flow \"flow_0\": there is no version 6; the last 100 are kept");
        assert_eq!(centres.roll_back(of, "flow_0", 7, None).await.unwrap(), newest + 1);
    });
}
