//! What must be true of the journal after any accident.

use super::segment;
use super::*;
use hotline_base::{Epoch, Partition, Redacted, Wall};
use hotline_engine::event::EventKind;
use hotline_engine::record::{QueueVisit, ReleaseReason, ReleasedBy};
use hotline_engine::{CallId, CallRecord, Event};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

fn call(serial: u32) -> CallId {
    CallId { partition: Partition(1), epoch: Epoch(1), serial }
}

fn record(serial: u32) -> CallRecord {
    CallRecord {
        call: call(serial),
        trunk: Some("carrier-a".into()),
        caller_sip_call_id: format!("{serial}@example.com"),
        agent_sip_call_id: None,
        dialled: "123451".into(),
        calling: Redacted::new("+15550001".into()),
        charged: None,
        access_code: Some("12345".into()),
        extension_code: Some("1".into()),
        route: None,
        queues: Vec::new(),
        offers: Vec::new(),
        agent: None,
        arrived: Wall::from_s(100),
        queued: None,
        offered: None,
        answered: None,
        connected: None,
        released: None,
        waiting_ms: 0,
        talk_ms: 0,
        q850: 0,
        sip_status: None,
        released_by: None,
        reason: None,
        caller_media: None,
        agent_media: None,
        signed_in: None,
        transfers: Vec::new(),
        data: Default::default(),
        test: false,
    }
}

fn event(at_s: i64, kind: EventKind) -> Event {
    Event { at: Wall::from_s(at_s), partition: Partition(1), kind }
}

fn arrived(serial: u32) -> Event {
    event(100, EventKind::CallArrived { record: Box::new(record(serial)) })
}

fn connected(serial: u32) -> Event {
    event(160, EventKind::Connected { call: call(serial) })
}

fn released(serial: u32) -> Event {
    event(200, EventKind::Released { record: Box::new(record(serial)) })
}

fn open(directory: &Path) -> (Journal, OpenCalls) {
    open_with(directory, JournalSettings::default())
}

fn open_with(directory: &Path, settings: JournalSettings) -> (Journal, OpenCalls) {
    Journal::open(directory, "hotline-1", 7, 0, settings).unwrap()
}

fn append(journal: &Journal, events: &[Event]) {
    let mut batch = Batch::default();
    events.iter().for_each(|event| batch.push(event));
    journal.append(&mut batch);
    assert!(batch.is_empty());
}

fn read_all(journal: &Journal) -> Vec<Entry> {
    journal.reader(1).batch(u64::MAX, usize::MAX).unwrap()
}

fn sequences(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.sequence).collect()
}

#[test]
fn what_was_appended_is_read_in_order_also_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, found) = open(dir.path());
    assert!(found.calls.is_empty());
    append(&journal, &[arrived(1), connected(1)]);
    append(&journal, &[released(1)]);
    let written = read_all(&journal);
    assert_eq!(sequences(&written), [1, 2, 3]);
    assert_eq!(written[1].event, connected(1));
    assert_eq!(*journal.published().borrow(), 4);
    drop(journal);

    let (journal, found) = open(dir.path());
    assert!(found.calls.is_empty());
    append(&journal, &[arrived(2)]);
    assert_eq!(sequences(&read_all(&journal)), [1, 2, 3, 4]);
    let mut reader = journal.reader(3);
    assert_eq!(sequences(&reader.batch(4, 10).unwrap()), [3], "never beyond what is published");
    assert_eq!(sequences(&reader.batch(u64::MAX, 10).unwrap()), [4]);
}

#[test]
fn a_reader_follows_the_writer_through_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let settings = JournalSettings { segment_bytes: 600, ..JournalSettings::default() };
    let (journal, _) = open_with(dir.path(), settings);
    let mut reader = journal.reader(1);
    let limit = journal.published();
    for serial in 1..=40 {
        append(&journal, &[arrived(serial)]);
        let seen = reader.batch(*limit.borrow(), 10).unwrap();
        assert_eq!(sequences(&seen), [u64::from(serial)]);
        assert!(reader.read().unwrap().is_none());
    }
    let segments = segment::list(dir.path()).unwrap();
    assert!(segments.len() >= 5, "{} segments", segments.len());
    assert_eq!(read_all(&journal).len(), 40);
    assert_eq!(journal.reader(1).lost(), 0);
}

/// `kill -9` in the middle of a write, and power lost with any part of the tail on disk: at every
/// byte at which the file may end, what was whole before is there, and writing goes on behind it.
#[test]
fn a_tail_torn_at_any_byte_costs_only_the_event_it_falls_into() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    append(&journal, &[arrived(1), connected(1), released(1)]);
    journal.close();
    drop(journal);
    let path = segment::path(dir.path(), 1);
    let whole = fs::read(&path).unwrap();
    let header = {
        let mut file = fs::File::open(&path).unwrap();
        segment::Header::read(&mut file).unwrap().1 as usize
    };
    let mut most = 0;
    for length in header..=whole.len() {
        let torn = tempfile::tempdir().unwrap();
        fs::write(segment::path(torn.path(), 1), &whole[..length]).unwrap();
        let (journal, found) = open(torn.path());
        let kept = read_all(&journal).len() as u64;
        assert!(kept >= most && kept <= 3, "at {length}");
        most = kept;
        let still_open = usize::from(kept == 1 || kept == 2);
        assert_eq!(found.calls.len(), still_open, "at {length}");
        append(&journal, &[arrived(9)]);
        let after = read_all(&journal);
        assert_eq!(after.last().unwrap().sequence, kept + 1, "at {length}");
        assert_eq!(after.last().unwrap().event, arrived(9));
    }
    assert_eq!(most, 3);
}

#[test]
fn a_segment_torn_inside_its_header_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    append(&journal, &[arrived(1)]);
    drop(journal);
    fs::write(segment::path(dir.path(), 2), b"HTLNJR").unwrap();
    let (journal, found) = open(dir.path());
    assert_eq!(found.calls.len(), 1);
    append(&journal, &[released(1)]);
    assert_eq!(sequences(&read_all(&journal)), [1, 2]);
    assert!(dir.path().join("0000000000000002.unreadable").exists());
}

/// One flipped bit among the frames (every fifth byte is tried) costs the event it is in, and nothing behind it.
#[test]
fn a_flipped_bit_costs_one_event() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    append(&journal, &[arrived(1), connected(1), released(1)]);
    append(&journal, &[arrived(2), connected(2), released(2)]);
    journal.close();
    drop(journal);
    let whole = fs::read(segment::path(dir.path(), 1)).unwrap();
    let header = whole.windows(8).rposition(|w| w == b"hotline-").unwrap() + 32;
    for at in (header..whole.len()).step_by(5) {
        let bad = tempfile::tempdir().unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(segment::path(bad.path(), 1), bytes).unwrap();
        let (journal, _) = open(bad.path());
        let left = sequences(&read_all(&journal));
        assert_eq!(left.len(), 5, "at {at}: {left:?}");
        append(&journal, &[arrived(9)]);
        let after = sequences(&read_all(&journal));
        assert_eq!(after.len(), 6, "at {at}");
        assert!(after.windows(2).all(|pair| pair[0] < pair[1]), "at {at}: {after:?}");
    }
}

#[test]
fn calls_that_were_open_are_closed_once_with_what_was_known() {
    let dir = tempfile::tempdir().unwrap();
    let settings = JournalSettings { segment_bytes: 600, ..JournalSettings::default() };
    let (journal, _) = open_with(dir.path(), settings.clone());
    let mut waiting = record(1);
    waiting.queued = Some(Wall::from_s(101));
    let visit = QueueVisit {
        queue: "support".into(),
        entered: Wall::from_s(101),
        left: None,
        outcome: None,
    };
    waiting.queues.push(visit);
    append(&journal, &[event(100, EventKind::CallArrived { record: Box::new(waiting) })]);
    for serial in 2..=20 {
        append(&journal, &[arrived(serial), connected(serial), released(serial)]);
    }
    drop(journal);

    // Killed again before the closing events are written: they are found again.
    for _ in 0..2 {
        let (_, found) = open_with(dir.path(), settings.clone());
        assert_eq!(found.calls.keys().collect::<Vec<_>>(), [&call(1)]);
    }
    let (journal, found) = open_with(dir.path(), settings.clone());
    let closing = found.closing_events(Wall::from_s(5_000));
    let EventKind::Released { record } = &closing[0].kind else { panic!("{closing:?}") };
    assert_eq!(record.reason, Some(ReleaseReason::ServerRestart));
    assert_eq!(record.released_by, Some(ReleasedBy::System));
    assert_eq!(record.released, Some(Wall::from_s(200)), "the last sign of life");
    assert_eq!(record.waiting_ms, 99_000);
    assert_eq!(record.queues[0].left, Some(Wall::from_s(200)));
    append(&journal, &closing);
    drop(journal);
    let (_, found) = open_with(dir.path(), settings);
    assert!(found.calls.is_empty());
}

/// A customer was handed on and waited again when the process was cut off: the record counted talk
/// from the first agent's until then, the waiting included.
#[test]
fn waiting_and_talk_of_a_call_that_was_handed_on_are_summed() {
    use hotline_engine::checkpoint::{Checkpoint, LegCheckpoint, Point};
    let address = "192.0.2.1:5060".parse().unwrap();
    let caller = LegCheckpoint {
        dialog: None,
        open_invite: None,
        flow: ("UDP".into(), address, address),
        local_sdp: None,
        remote_sdp: None,
        port: None,
    };
    let mut known = record(1);
    known.queued = Some(Wall::from_s(101));
    known.answered = Some(Wall::from_s(110));
    known.connected = Some(Wall::from_s(111));
    (known.waiting_ms, known.talk_ms) = (9_000, 20_000);
    let checkpoint = Checkpoint {
        call: call(1),
        point: Point::Admitted,
        record: known,
        queue_key: None,
        flow: None,
        caller,
        agent: None,
    };
    let handed_on = event(131, EventKind::Checkpoint { checkpoint: Box::new(checkpoint) });
    let (agent, queue) = (String::from("1002"), String::from("second"));
    let queued = event(131, EventKind::Queued { call: call(1), queue, position: 1 });
    let answered = event(150, EventKind::Answered { call: call(1), agent });
    for (connects, waiting_ms, talk_ms) in [(false, 78_000, 20_000), (true, 28_000, 60_000)] {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = open(dir.path());
        append(&journal, &[arrived(1), handed_on.clone(), queued.clone()]);
        if connects {
            append(&journal, &[answered.clone(), connected(1)]);
        }
        append(&journal, &[arrived(2), released(2)]);
        drop(journal);
        let (_, found) = open(dir.path());
        let closing = found.closing_events(Wall::from_s(5_000));
        let EventKind::Released { record } = &closing[0].kind else { panic!("{closing:?}") };
        assert_eq!((record.waiting_ms, record.talk_ms), (waiting_ms, talk_ms), "{connects}");
    }
}

#[test]
fn a_call_that_had_ended_but_for_its_statistics_keeps_its_own_end() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut ended = record(1);
    ended.released = Some(Wall::from_s(150));
    ended.reason = Some(ReleaseReason::NormalClearing);
    ended.released_by = Some(ReleasedBy::Caller);
    // What recovery keeps of a checkpoint is its record.
    append(&journal, &[event(150, EventKind::CallArrived { record: Box::new(ended.clone()) })]);
    drop(journal);
    let (_, found) = open(dir.path());
    let closing = found.closing_events(Wall::from_s(5_000));
    let EventKind::Released { record } = &closing[0].kind else { panic!("{closing:?}") };
    assert_eq!(**record, ended);
}

#[test]
fn old_segments_go_but_none_that_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        JournalSettings { segment_bytes: 600, keep_bytes: 1_500, ..JournalSettings::default() };
    let (journal, _) = open_with(dir.path(), settings);
    for serial in 1..=40 {
        append(&journal, &[arrived(serial), released(serial)]);
    }
    let before = segment::list(dir.path()).unwrap().len();
    journal.close();
    assert_eq!(segment::list(dir.path()).unwrap().len(), before, "nothing is projected yet");
    append(&journal, &[arrived(100)]);
    journal.projected(60);
    for serial in 41..=44 {
        append(&journal, &[arrived(serial), released(serial)]);
    }
    journal.close();
    let left = read_all(&journal);
    assert!(left[0].sequence > 1 && left[0].sequence <= 60, "{:?}", left[0].sequence);
    journal.projected(u64::MAX);
    for serial in 45..=60 {
        append(&journal, &[arrived(serial), released(serial)]);
    }
    journal.close();
    let left = read_all(&journal);
    assert!(left.iter().any(|entry| entry.event == arrived(100)), "an open call is needed");
}

/// A disk without room, as `/dev/full` plays it: appending goes on, the events wait, trace is
/// left out before records are, and all of it is written when there is room again.
#[test]
fn a_full_disk_stops_no_call() {
    let dir = tempfile::tempdir().unwrap();
    let settings = JournalSettings { backlog_bytes: 2_000, ..JournalSettings::default() };
    let (journal, _) = open_with(dir.path(), settings);
    append(&journal, &[arrived(1)]);
    let real = journal.replace_file(OpenOptions::new().write(true).open("/dev/full").unwrap());
    append(&journal, &[connected(1)]);
    let status = journal.status();
    assert_eq!((status.failures, status.dropped), (1, 0));
    assert_eq!(*journal.published().borrow(), 2, "what waits in memory cannot be read");
    for serial in 2..=100 {
        append(&journal, &[arrived(serial)]);
    }
    let status = journal.status();
    assert!(status.dropped > 50 && status.backlog_bytes <= 2_000, "{status:?}");

    journal.replace_file(real);
    journal.close();
    let written = read_all(&journal);
    let expected: Vec<u64> = (1..journal.status().next).collect();
    assert_eq!(sequences(&written), expected, "no gap");
    assert_eq!(*journal.published().borrow(), journal.status().next);
    append(&journal, &[released(1)]);
    assert_eq!(read_all(&journal).len(), expected.len() + 1);
}

#[test]
fn a_journal_of_another_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = segment::path(dir.path(), 1);
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&[9, 0, 0, 0], 8).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = Journal::open(dir.path(), "n", 8, 0, JournalSettings::default()).unwrap_err();
    assert!(refused.to_string().contains("format version 9"), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// The journal was moved away, as the message about another version advises. It began again at 1
/// while the store stood at 500: the next 499 events reached no table, without a word.
#[test]
fn a_journal_that_was_moved_away_goes_on_behind_what_the_store_has_seen() {
    let dir = tempfile::tempdir().unwrap();
    for (projected, first) in [(500, 500), (10, 501), (501, 502), (0, 503)] {
        let (journal, _) =
            Journal::open(dir.path(), "n", 1, projected, JournalSettings::default()).unwrap();
        let mut reader = journal.reader(projected);
        append(&journal, &[arrived(1)]);
        let seen = reader.batch(u64::MAX, usize::MAX).unwrap();
        assert_eq!(seen.last().unwrap().sequence, first);
        assert_eq!(*journal.published().borrow(), first + 1);
    }
}

/// After the renaming a failure was possible: the empty new segment stood there as the latest,
/// while events still went to the old one; and each append tried, and complained, again.
#[test]
fn a_segment_that_cannot_be_begun_is_tried_again_after_a_pause() {
    let dir = tempfile::tempdir().unwrap();
    let settings = JournalSettings { segment_bytes: 600, ..JournalSettings::default() };
    let (journal, _) = open_with(dir.path(), settings);
    let hindrance = dir.path().join("next.unfinished");
    fs::create_dir(&hindrance).unwrap();
    for serial in 1..=20 {
        append(&journal, &[arrived(serial)]);
    }
    assert_eq!(journal.status().failures, 1, "one try in a second");
    assert_eq!(segment::list(dir.path()).unwrap().len(), 1);
    assert_eq!(read_all(&journal).len(), 20);
}

/// The projector passes over most events by the number of their kind: a number that is not the
/// encoding's would lose records.
#[test]
fn events_of_other_kinds_are_passed_over_by_the_number_the_encoding_gives_them() {
    use hotline_engine::event::{EventHead, kind};
    let (call, agent) = (call(1), String::from("1001"));
    let numbered = [
        (0, arrived(1).kind),
        (kind::QUEUED, EventKind::Queued { call, queue: "support".into(), position: 1 }),
        (kind::OFFERED, EventKind::Offered { call, agent: agent.clone() }),
        (
            kind::OFFER_ENDED,
            EventKind::OfferEnded { call, agent: agent.clone(), outcome: "gone".into() },
        ),
        (kind::ANSWERED, EventKind::Answered { call, agent }),
        (kind::CONNECTED, EventKind::Connected { call }),
        (7, released(1).kind),
        (kind::FLOW_STEP, EventKind::FlowStep { call, flow: "f".into(), node: "n".into() }),
    ];
    for (number, kind) in numbered {
        let bytes = postcard::to_stdvec(&event(9, kind)).unwrap();
        let (head, _) = postcard::take_from_bytes::<EventHead>(&bytes).unwrap();
        let expected = EventHead { at: Wall::from_s(9), partition: Partition(1), kind: number };
        assert_eq!(head, expected);
    }

    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    append(&journal, &[arrived(1), connected(1), released(1), connected(2)]);
    let mut reader = journal.reader(1);
    let seen = reader.batch_of(u64::MAX, 10, |number| number != kind::CONNECTED).unwrap();
    assert_eq!(sequences(&seen), [1, 3]);
    assert_eq!(reader.position(), 5, "what was passed over is not read again");
    assert_eq!(reader.lost(), 0);
}
