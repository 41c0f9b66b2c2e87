//! What is changed is changed whole: the store, the files beside it, and what the engines get.

use super::flows::FlowRefusal;
use super::*;
use serde_json::json;

struct Fixture {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    store: Store,
    centres: Centres,
}

const DEMO: Partition = Partition(1);

impl Fixture {
    /// With the demo centre in force.
    fn new() -> Fixture {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let text = format!("[node]\ndata_dir = \"{}\"\n", dir.path().display());
        let config = NodeConfig::read(&text, "test", &|_| None).unwrap();
        let url = format!("sqlite:{}/test.db", dir.path().display());
        let store = runtime.block_on(Store::open(&url)).unwrap();
        let (centres, _) = runtime.block_on(Centres::open(store.clone(), &config)).unwrap();
        Fixture { dir, runtime, store, centres }
    }

    fn apply(&mut self, text: &str) -> Result<Applied, ApplyError> {
        let loaded = centre::from_node(&Node::from_toml(text).unwrap(), "centre.toml", None);
        let wanted = loaded.unwrap().centre;
        self.runtime.block_on(self.centres.apply(wanted, None, Asked::default()))
    }

    fn secret(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join("secrets").join(path)).ok()
    }
}

fn other(secret: &str) -> String {
    format!(
        "[tenant]\nname = \"other\"\ndomains = [\"other.test\"]\nrealm = \"other\"\n\
         [[skill_queue]]\nname = \"support\"\ndescription = \"Help\"\n\
         [[agent]]\nemployee_id = \"2001\"\ntype = \"audio\"\nrole = \"common\"\n\
         softphone = {{ number = \"2001\", password = {{ generate = true }} }}\n\
         skill_queues = [{{ queue = \"support\", level = 1 }}]\n\
         [[secret]]\nname = \"crm\"\nvalue = \"{secret}\"\n"
    )
}

/// Passwords and secrets were written before the store had taken what they belong to: one that was
/// refused took the place of the one in force.
#[test]
fn what_the_store_refuses_leaves_no_password_and_no_secret() {
    let mut fixture = Fixture::new();
    let version = fixture.centres.version();
    let named = fixture.centres.named("demo").unwrap().clone();
    let moved = fixture.store.commit_centre(&named, "", version, Clock.wall(), "elsewhere", None);
    fixture.runtime.block_on(moved).unwrap();
    let refused = fixture.apply(&other("first"));
    assert!(matches!(refused, Err(ApplyError::Refused(_))));
    assert_eq!(fixture.secret("other/2001"), None);
    assert_eq!(fixture.secret("other/flow/crm"), None);
    let left = std::fs::read_dir(fixture.dir.path().join("secrets/other")).unwrap().flatten();
    let left: Vec<_> = left.filter(|file| file.path().is_file()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The process was killed between the store and the file: applying the same again changed nothing,
/// so the secret was never there.
#[test]
fn a_secret_that_did_not_reach_its_file_does_when_the_same_is_applied_again() {
    let mut fixture = Fixture::new();
    let applied = fixture.apply(&other("first")).unwrap();
    assert!(applied.version.is_some());
    assert_eq!(fixture.secret("other/flow/crm").as_deref(), Some("first\n"));
    let password = fixture.secret("other/2001").unwrap();
    assert_eq!(fixture.apply(&other("first")).unwrap().version, None, "nothing is new");
    std::fs::remove_file(fixture.dir.path().join("secrets/other/flow/crm")).unwrap();
    let again = fixture.apply(&other("first")).unwrap();
    assert_eq!(again.version, applied.version, "calls are to hear of it");
    assert_eq!(fixture.secret("other/flow/crm").as_deref(), Some("first\n"));
    assert_eq!(fixture.secret("other/2001").unwrap(), password, "the password stays");
    fixture.apply(&other("second")).unwrap();
    assert_eq!(fixture.secret("other/flow/crm").as_deref(), Some("second\n"));
}

/// The version was in force, the draft was still there, and the answer said that nothing was done.
#[test]
fn a_published_draft_is_gone_with_the_same_commit() {
    let mut fixture = Fixture::new();
    let document = json!({ "start": "end", "node": { "end": { "kind": "end" } } });
    let centres = &mut fixture.centres;
    let put = centres.put_draft(DEMO, "sorry", document, None);
    fixture.runtime.block_on(put).unwrap();
    let before = centres.version();
    let version = fixture.runtime.block_on(centres.publish_draft(DEMO, "sorry", None)).unwrap();
    assert_eq!((version, centres.version()), (1, before + 1));
    assert!(centres.draft(DEMO, "sorry").is_none());
    let drafts = fixture.runtime.block_on(fixture.store.flow_drafts()).unwrap();
    assert!(drafts.values().all(BTreeMap::is_empty), "{drafts:?}");
}

/// A sign-in flow without a sign-in was published and rolled back to: nobody with a telephone alone
/// could sign in any more, and the next apply was refused for it.
#[test]
fn a_flow_that_the_rest_of_the_centre_needs_is_not_published_without_what_it_is_needed_for() {
    let mut fixture = Fixture::new();
    let document = json!({ "start": "end", "node": { "end": { "kind": "end" } } });
    let centres = &mut fixture.centres;
    let put = centres.put_draft(DEMO, "sign_in", document, None);
    fixture.runtime.block_on(put).unwrap();
    let refused = fixture.runtime.block_on(centres.publish_draft(DEMO, "sign_in", None));
    let Err(FlowRefusal::Wrong(faults)) = refused else { panic!("{refused:?}") };
    assert!(faults.to_string().contains("agent_sign_in node"), "{faults}");
    assert!(centres.draft(DEMO, "sign_in").is_some(), "it can be mended");
}
