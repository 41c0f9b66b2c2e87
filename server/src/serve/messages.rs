//! Messages whose callers were cut off by the end of the process: what was said is kept, and nothing
//! is kept that nobody hears of.
//!
//! Owns: at a start, the events that adopt what was recorded in calls that were cut off, and taking
//! away files without a row, and rows without a file. Does not own: writing the files
//! (`media::recorder`), what is known of a message that was begun (`journal`).

use crate::journal::{Begun, OpenCalls};
use crate::media::recorded_ms;
use crate::store::Store;
use hotline_base::{Partition, Wall};
use hotline_engine::Event;
use hotline_engine::event::EventKind;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The messages that callers were leaving when the process ended: those whose files are whole and
/// long enough.
pub(super) fn adopted(dir: &Path, open: &OpenCalls, now: Wall) -> Vec<Event> {
    let at = open.last_sign.unwrap_or(now).min(now);
    let adopt = |begun: &Begun| {
        let Begun { partition, recording, min_ms, .. } = *begun;
        let duration_ms = recorded_ms(&file(dir, partition, recording))?;
        if duration_ms == 0 || duration_ms < min_ms {
            return None;
        }
        tracing::warn!(
            partition = partition.0,
            recording,
            duration_ms,
            "a message was being left when the server ended; it is kept as it is"
        );
        let kind = EventKind::MessageLeft {
            call: begun.call,
            mailbox: begun.mailbox.clone(),
            recording,
            duration_ms,
            caller: begun.caller.clone(),
        };
        Some(Event { at, partition, kind })
    };
    open.begun.values().filter_map(adopt).collect()
}

/// Makes files and rows agree, once everything that is in the journal is in the store.
///
/// # Errors
/// One line: the store cannot be asked.
pub(super) async fn reconcile(dir: &Path, store: &Store, epoch: u32) -> Result<(), String> {
    let say = |error: crate::store::StoreError| error.to_string();
    for partition in partitions_in(dir) {
        let known = store.recordings(partition).await.map_err(say)?;
        let known: BTreeSet<u64> = known.into_iter().collect();
        let there = recordings_in(&dir.join(partition.0.to_string()));
        for &recording in there.difference(&known) {
            remove_orphan(&file(dir, partition, recording), recording, epoch);
        }
        for &recording in known.difference(&there) {
            store.delete_message(partition, recording).await.map_err(say)?;
            tracing::warn!(
                partition = partition.0,
                recording,
                "a message has lost its audio; it is listed no more"
            );
        }
    }
    Ok(())
}

/// A file that no row tells of. One of a later start than the store knows is left alone: then it is
/// the store that is too old, put back from a copy say.
fn remove_orphan(path: &Path, recording: u64, epoch: u32) {
    let shown = path.display();
    if recording >> 32 >= u64::from(epoch) {
        tracing::error!(
            file = %shown,
            "a message is younger than the store, which does not know it; it is left where it is"
        );
        return;
    }
    match fs::remove_file(path) {
        Ok(()) => tracing::warn!(file = %shown, "a message that was not completed is removed"),
        Err(error) => tracing::error!(file = %shown, %error, "a message cannot be removed"),
    }
}

fn file(dir: &Path, partition: Partition, recording: u64) -> PathBuf {
    dir.join(partition.0.to_string()).join(format!("{recording}.wav"))
}

/// The folders of tenants; none before the first message.
fn partitions_in(dir: &Path) -> Vec<Partition> {
    let folders = fs::read_dir(dir).into_iter().flatten().flatten();
    folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok().map(Partition)).collect()
}

/// The recordings in a tenant's folder; other files are nobody's business.
fn recordings_in(folder: &Path) -> BTreeSet<u64> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".wav")?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Batch;
    use crate::store::messages::MessageRow;
    use hotline_base::Redacted;

    const TENANT: Partition = Partition(3);

    fn begun(recording: u64, min_ms: u32) -> ((Partition, u64), Begun) {
        let begun = Begun {
            partition: TENANT,
            recording,
            call: "3-1-1".parse().unwrap(),
            mailbox: "sales".into(),
            caller: Redacted::new("15550001".into()),
            min_ms,
        };
        ((TENANT, recording), begun)
    }

    fn wav(dir: &Path, recording: u64, samples: u32) -> PathBuf {
        let path = file(dir, TENANT, recording);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        (0..samples).for_each(|_| writer.write_sample(7_i16).unwrap());
        writer.finalize().unwrap();
        path
    }

    #[test]
    fn what_was_being_said_is_adopted_if_it_is_whole_and_long_enough() {
        let dir = tempfile::tempdir().unwrap();
        let now = Wall::from_s(500);
        wav(dir.path(), 1, 16_000);
        wav(dir.path(), 2, 16_000);
        wav(dir.path(), 3, 0);
        let torn = wav(dir.path(), 4, 16_000);
        fs::File::options().write(true).open(torn).unwrap().set_len(10_000).unwrap();
        let mut open = OpenCalls::default();
        open.begun.extend([
            begun(1, 2_000),
            begun(2, 2_001),
            begun(3, 0),
            begun(4, 0),
            begun(5, 0),
        ]);
        open.last_sign = Some(Wall::from_s(400));
        let events = adopted(dir.path(), &open, now);
        let kind = EventKind::MessageLeft {
            call: "3-1-1".parse().unwrap(),
            mailbox: "sales".into(),
            recording: 1,
            duration_ms: 2_000,
            caller: Redacted::new("15550001".into()),
        };
        assert_eq!(events, [Event { at: Wall::from_s(400), partition: TENANT, kind }]);
    }

    /// A crash between the two left a file that nobody could hear or delete, or a message in the
    /// list without its audio.
    #[test]
    fn a_file_without_a_row_goes_and_so_does_a_row_without_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let url = format!("sqlite:{}", dir.path().join("store.db").display());
            let store = Store::open(&url).await.unwrap();
            let row = |partition, recording| MessageRow {
                partition,
                recording,
                call: "3-1-1".into(),
                mailbox: "sales".into(),
                caller: Redacted::new("15550001".into()),
                at: Wall::from_s(9),
                duration_ms: 1_000,
            };
            let of_epoch = |epoch: u64, number: u64| (epoch << 32) | number;
            let (good, orphan, young, lost) =
                (of_epoch(1, 1), of_epoch(1, 2), of_epoch(9, 1), of_epoch(1, 3));
            let elsewhere = Partition(4);
            let messages = vec![row(TENANT, good), row(TENANT, lost), row(elsewhere, lost)];
            store.write(&Batch { messages, ..Batch::default() }).await.unwrap();
            for recording in [good, orphan, young] {
                wav(dir.path(), recording, 800);
            }
            let note = dir.path().join("3/notes.txt");
            fs::write(&note, "somebody's").unwrap();
            reconcile(dir.path(), &store, 2).await.unwrap();
            assert!(file(dir.path(), TENANT, good).exists() && note.exists());
            assert!(!file(dir.path(), TENANT, orphan).exists());
            assert!(file(dir.path(), TENANT, young).exists(), "of a start the store knows not");
            assert_eq!(store.recordings(TENANT).await.unwrap(), [good]);
            // A folder that is not there says nothing: a disk may be missing.
            assert_eq!(store.recordings(elsewhere).await.unwrap(), [lost]);
        });
    }
}
