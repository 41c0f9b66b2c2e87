//! What must be true of the store: nothing is half-written, and nothing that matters is filtered.

use super::*;
use hotline_base::Wall;
use hotline_engine::event::StoredBinding;

async fn store(dir: &tempfile::TempDir) -> Store {
    Store::open(&format!("sqlite:{}/test.db", dir.path().display())).await.unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn centre(name: &str) -> Centre {
    let Json::Object(tenant) = serde_json::json!({ "name": name }) else { unreachable!() };
    Centre { tenant, ..Centre::default() }
}

/// A process was killed between the two transactions of a first apply: the tenant had a partition
/// and no name, and the next start put a centre without a name into force.
#[test]
fn a_tenant_is_there_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = store(&dir).await;
        let stale = store.commit_centre(&centre("a"), "", 7, Wall(0), "apply", None).await;
        assert!(matches!(stale, Err(StoreError::MovedOn { expected: 7, found: 0 })));
        let left = sqlx::query("SELECT * FROM tenant").fetch_all(&store.pool).await.unwrap();
        assert!(left.is_empty(), "a commit that was refused leaves nothing");
        sqlx::query("INSERT INTO tenant (partition, name) VALUES (1, 'a')")
            .execute(&store.pool)
            .await
            .unwrap();
        assert!(store.centres().await.unwrap().is_empty());
        let done = store.commit_centre(&centre("a"), "", 0, Wall(0), "apply", None).await.unwrap();
        assert_eq!(done, (Partition(1), 1), "its partition is its own for life");
        let done = store.commit_centre(&centre("b"), "", 1, Wall(0), "apply", None).await.unwrap();
        assert_eq!(done, (Partition(2), 2));
        assert_eq!(store.centres().await.unwrap().len(), 2);
    });
}

fn binding(number: &str, expires_s: i64) -> StoredBinding {
    StoredBinding {
        aor: number.into(),
        contact: format!("sip:{number}@192.0.2.1"),
        expires_wall: Wall::from_s(expires_s),
        call_id: "1@a".into(),
        cseq: 1,
        q: 1_000,
        transport: "UDP".into(),
        local: "192.0.2.9:5060".parse().unwrap(),
        remote: "192.0.2.1:5060".parse().unwrap(),
        instance: None,
        user_agent: None,
    }
}

/// After a night without power every registration had ended; they were filtered out here, the
/// engine never heard of them, and their agents stayed idle with no phone to ring.
#[test]
fn bindings_that_ended_long_ago_are_given_back_too_and_each_is_as_it_was_last() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = store(&dir).await;
        let row = |number: &str, binding: Option<StoredBinding>| {
            let contact = format!("sip:{number}@192.0.2.1");
            (Partition(1), number.to_string(), contact, binding)
        };
        let mut batch = Batch::default();
        batch.bindings.extend((0..1_200).map(|n| {
            let number = format!("{n:04}");
            row(&number, Some(binding(&number, 1)))
        }));
        batch.bindings.push(row("0001", None));
        batch.bindings.push(row("0002", None));
        batch.bindings.push(row("0002", Some(binding("0002", 9))));
        store.write(&batch).await.unwrap();
        let kept = store.bindings(Partition(1)).await.unwrap();
        assert_eq!(kept.len(), 1_199);
        assert_eq!(kept[1], binding("0002", 9));
        let gone = (0..1_200).map(|n| row(&format!("{n:04}"), None)).collect();
        store.write(&Batch { bindings: gone, ..Batch::default() }).await.unwrap();
        assert!(store.bindings(Partition(1)).await.unwrap().is_empty());
    });
}

#[test]
fn a_message_comes_out_of_the_journal_once() {
    use hotline_engine::event::{Event, EventKind};
    let kind = EventKind::MessageLeft {
        call: "1-1-1".parse().unwrap(),
        mailbox: "sales".into(),
        recording: 1 << 40,
        duration_ms: 4_000,
        caller: hotline_base::Redacted::new("15550001".into()),
    };
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = store(&dir).await;
        // Twice: what was written before a crash is read again.
        for _ in 0..2 {
            let mut projection = projector::Projection::new(0, 0);
            let mut batch = Batch::default();
            let event = Event { at: Wall::from_s(9), partition: Partition(1), kind: kind.clone() };
            projection.apply(0, event, &mut batch);
            store.write(&batch).await.unwrap();
        }
        let messages = store.messages(Partition(1), None, Wall(0), 10).await.unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!((messages[0].recording, messages[0].duration_ms), (1 << 40, 4_000));
        assert!(store.messages(Partition(2), None, Wall(0), 10).await.unwrap().is_empty());
    });
}

/// Box and time were looked at behind the limit: a busy box hid the messages of all others.
#[test]
fn messages_are_counted_after_box_and_time_and_a_deleted_one_is_gone() {
    let message = |recording: u64, mailbox: &str| messages::MessageRow {
        partition: Partition(1),
        recording,
        call: "1-1-1".into(),
        mailbox: mailbox.into(),
        caller: hotline_base::Redacted::new("15550001".into()),
        at: Wall::from_s(recording as i64),
        duration_ms: 4_000,
    };
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = store(&dir).await;
        let busy = (10..60).map(|number| message(number, "sales"));
        let messages = [message(1, "night"), message(2, "night")].into_iter().chain(busy).collect();
        store.write(&Batch { messages, ..Batch::default() }).await.unwrap();
        let found = async |mailbox: Option<&str>, since_s: i64, limit: u32| {
            let found =
                store.messages(Partition(1), mailbox, Wall::from_s(since_s), limit).await.unwrap();
            found.iter().map(|row| row.recording).collect::<Vec<_>>()
        };
        assert_eq!(found(Some("night"), 0, 10).await, [2, 1]);
        assert_eq!(found(Some("night"), 2, 10).await, [2]);
        assert_eq!(found(None, 58, 10).await, [59, 58]);
        assert_eq!(found(None, 0, 1).await, [59]);
        assert!(!store.delete_message(Partition(2), 2).await.unwrap(), "somebody else's");
        assert!(store.delete_message(Partition(1), 2).await.unwrap());
        assert!(!store.delete_message(Partition(1), 2).await.unwrap());
        assert_eq!(found(Some("night"), 0, 10).await, [1]);
    });
}

/// After a loss of power the store forgot its last commits, the epoch among them: the next start
/// minted the same call ids again, and their records were taken for known.
#[test]
fn what_nothing_else_knows_is_on_disk_when_it_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = store(&dir).await;
        for (pool, level) in [(&store.lasting, 2_i64), (&store.pool, 1)] {
            let row = sqlx::query("PRAGMA synchronous").fetch_one(pool).await.unwrap();
            assert_eq!(row.get::<i64, _>(0), level);
        }
        assert_eq!(store.next_epoch(0).await.unwrap(), 1);
        assert_eq!(store.next_epoch(0).await.unwrap(), 2);
        assert_eq!(store.next_epoch(7).await.unwrap(), 8, "the journal has seen 7");
        assert_eq!(store.next_epoch(7).await.unwrap(), 9);
    });
}

/// `doctor` brought the schema of a live store up to date.
#[test]
fn a_look_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let url = format!("sqlite:{}", path.display());
    runtime().block_on(async {
        assert!(Store::look(&url).await.is_err());
        assert!(!path.exists(), "none is made");
        let store = store(&dir).await;
        store.commit_centre(&centre("a"), "", 0, Wall(0), "apply", None).await.unwrap();
        assert_eq!(Store::look(&url).await.unwrap(), 1, "beside who writes");
        sqlx::query("DROP TABLE flow_draft").execute(&store.pool).await.unwrap();
        store.close().await;
        assert_eq!(Store::look(&url).await.unwrap(), 1);
        let options = SqliteConnectOptions::new().filename(&path);
        let pool = SqlitePoolOptions::new().connect_with(options).await.unwrap();
        let row = sqlx::query("SELECT count(*) FROM sqlite_master WHERE name = 'flow_draft'");
        assert_eq!(row.fetch_one(&pool).await.unwrap().get::<i64, _>(0), 0, "nothing was made");
    });
}

#[test]
fn tries_to_sign_in_are_kept_as_they_were_last_while_they_count_and_not_too_many() {
    use hotline_engine::event::{Event, EventKind, StoredTries, TriedBy};
    let of = |key: u64, count: u8, until_s: i64| StoredTries {
        by: TriedBy::Employee,
        key,
        count,
        until: Wall::from_s(until_s),
    };
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = store(&dir).await;
        let mut projection = projector::Projection::new(0, 0);
        let mut place = 0;
        let mut tried = async |partition: u32, at_s: i64, tries: Vec<StoredTries>| {
            let (at, partition) = (Wall::from_s(at_s), Partition(partition));
            let mut batch = Batch::default();
            let kind = EventKind::SignInTried { tries };
            projection.apply(place, Event { at, partition, kind }, &mut batch);
            place += 1;
            store.write(&batch).await.unwrap();
            store.tries(partition).await.unwrap()
        };
        let number = StoredTries { by: TriedBy::Number, ..of(u64::MAX, 1, 900) };
        tried(2, 0, vec![of(1, 5, 900)]).await;
        assert_eq!(tried(1, 0, vec![of(1, 1, 900), number]).await, [of(1, 1, 900), number]);
        assert_eq!(tried(1, 1, vec![of(1, 2, 900)]).await, [of(1, 2, 900), number]);
        assert_eq!(tried(1, 2, vec![of(1, 0, 900)]).await, [number], "the PIN was right");
        assert_eq!(tried(1, 900, vec![of(3, 1, 1_800)]).await, [of(3, 1, 1_800)]);
        let many = (0..u64::from(tries::TRIES_MAX) + 50).map(|key| of(key, 1, 1_800));
        // Each at a place of its own, as calls come.
        let mut batch = Batch::default();
        batch.tries.extend(many.map(|tries| tries::TriesRow {
            partition: Partition(1),
            tries,
            at: Wall::from_s(901),
            position: 100 + tries.key,
        }));
        store.write(&batch).await.unwrap();
        let kept = store.tries(Partition(1)).await.unwrap();
        assert_eq!(kept.len(), tries::TRIES_MAX as usize);
        assert!(kept.iter().all(|tries| tries.key >= 50), "the oldest are forgotten");
    });
}
