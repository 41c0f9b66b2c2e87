//! What holds under any commands and any packets.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Open(u32, u32),
    Remote(u32, Direction, Codec),
    Play(u32, u8, bool, Option<u32>),
    Stop(u32, u32),
    Bridge(u32, u32),
    Unbridge(u32, u32),
    Digits(u32),
    SetDigits(u32, bool, bool),
    Record(u32, u32),
    StopRecord(u32, u64),
    Conference(Vec<u32>),
    Leave(u32),
    Close(u32),
    Packet(u32, u8, u16, Vec<u8>),
    Raw(u32, Vec<u8>),
    Run(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let leg = || 0u32..5;
    let direction = prop::sample::select(vec![
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ]);
    let codec = prop::sample::select(vec![Codec::Pcma, Codec::Pcmu]);
    let payload_type = prop::sample::select(vec![0u8, 8, 13, 96, 101]);
    prop_oneof![
        (leg(), 0u32..3).prop_map(|(leg, generation)| Step::Open(leg, generation)),
        (leg(), direction, codec).prop_map(|(leg, d, c)| Step::Remote(leg, d, c)),
        (leg(), 0u8..6, any::<bool>(), prop::option::of(0u32..4))
            .prop_map(|(leg, items, repeat, music)| Step::Play(leg, items, repeat, music)),
        (leg(), 0u32..40).prop_map(|(leg, play)| Step::Stop(leg, play)),
        (leg(), leg()).prop_map(|(a, b)| Step::Bridge(a, b)),
        (leg(), leg()).prop_map(|(a, b)| Step::Unbridge(a, b)),
        leg().prop_map(Step::Digits),
        (leg(), any::<bool>(), any::<bool>())
            .prop_map(|(leg, relay, in_band)| Step::SetDigits(leg, relay, in_band)),
        (leg(), 0u32..800).prop_map(|(leg, ms)| Step::Record(leg, ms)),
        (leg(), 0u64..20).prop_map(|(leg, which)| Step::StopRecord(leg, which)),
        prop::collection::vec(leg(), 0..6).prop_map(Step::Conference),
        leg().prop_map(Step::Leave),
        leg().prop_map(Step::Close),
        (leg(), payload_type, any::<u16>(), prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(leg, kind, n, payload)| Step::Packet(leg, kind, n % 64, payload)),
        (leg(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(leg, bytes)| Step::Raw(leg, bytes)),
        (1u64..300).prop_map(Step::Run),
    ]
}

fn items(kind: u8) -> Vec<PlayItem> {
    match kind {
        0 => vec![],
        1 => vec![PROMPT],
        2 => vec![MUSIC, PROMPT],
        3 => vec![PlayItem::Silence(70), PROMPT, PlayItem::Silence(1)],
        4 => vec![PlayItem::Asset(AssetId(77))],
        _ => vec![PlayItem::Silence(0), PlayItem::Asset(AssetId(2))],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is ordered and whatever arrives: no panic, each play and recording ends exactly
    /// once, each leg's
    /// packets have one SSRC and no sequence number twice in a row of a thousand, and after all
    /// is closed every port is granted again.
    #[test]
    fn any_orders_and_packets(steps in prop::collection::vec(step(), 1..120)) {
        let mut bed = Bed::new();
        let mut generations: BTreeMap<u32, u32> = BTreeMap::new();
        let (mut plays, mut records) = (0, 0);
        let name = |generations: &BTreeMap<u32, u32>, leg: u32| LegRef {
            worker: 1, leg, generation: generations.get(&leg).copied().unwrap_or(0),
        };
        for step in steps {
            match step {
                Step::Open(leg, generation) => {
                    let newest = generations.entry(leg).or_insert(0);
                    *newest = (*newest).max(generation);
                    let leg = LegRef { worker: 1, leg, generation };
                    let port = grant(leg.leg as u16);
                    bed.command(Command::Open { leg, port, silence_limit_s: 1 });
                }
                Step::Remote(leg, direction, codec) => {
                    let stream = StreamParameters {
                        direction,
                        telephone_event: (codec == Codec::Pcma).then_some(101),
                        ..stream(leg, codec)
                    };
                    bed.command(Command::SetRemote { leg: name(&generations, leg), stream });
                }
                Step::Play(leg, kind, repeat, music) => {
                    plays += 1;
                    bed.command(Command::Play {
                        leg: name(&generations, leg),
                        play: PlayId(plays),
                        items: items(kind),
                        repeat,
                        stop_on: "0123456789".into(),
                        background: music.map(AssetId),
                    });
                }
                Step::Stop(leg, play) => {
                    bed.command(Command::Stop { leg: name(&generations, leg), play: PlayId(play) });
                }
                Step::Bridge(a, b) => {
                    let (a, b) = (name(&generations, a), name(&generations, b));
                    bed.command(Command::Bridge { a, b });
                }
                Step::Unbridge(a, b) => {
                    let (a, b) = (name(&generations, a), name(&generations, b));
                    bed.command(Command::Unbridge { a, b });
                }
                Step::SetDigits(leg, relay, in_band) => {
                    let leg = name(&generations, leg);
                    bed.command(Command::SetDigits { leg, relay, in_band });
                }
                Step::Record(leg, ms) => {
                    records += 1;
                    bed.command(Command::Record {
                        leg: name(&generations, leg),
                        partition: Partition(1),
                        recording: RecordingId(records),
                        max_ms: ms,
                        min_ms: 0,
                        silence_ms: ms / 2,
                        stop_on: "5".into(),
                    });
                }
                Step::StopRecord(leg, which) => {
                    let (leg, recording) = (name(&generations, leg), RecordingId(which));
                    bed.command(Command::StopRecord { leg, recording });
                }
                Step::Conference(legs) => {
                    let legs = legs.into_iter().map(|leg| name(&generations, leg)).collect();
                    bed.command(Command::Conference { legs });
                }
                Step::Leave(leg) => bed.command(Command::Leave { leg: name(&generations, leg) }),
                Step::Digits(leg) => {
                    let digits = "159*".to_owned();
                    bed.command(Command::SendDigits { leg: name(&generations, leg), digits });
                }
                Step::Close(leg) => bed.command(Command::Close { leg: name(&generations, leg) }),
                Step::Packet(leg, kind, n, payload) => {
                    let bytes = packet(kind, n, u32::from(n) * 160, n % 7 == 0, &payload);
                    bed.receive(leg, peer(leg), &bytes);
                }
                Step::Raw(leg, bytes) => {
                    bed.receive(leg, peer(leg), &bytes);
                    let at = Mono::from_ms(bed.wire.now_ms);
                    bed.worker.receive_rtcp(at, PortIndex(leg), peer(leg), &bytes);
                }
                Step::Run(ms) => bed.run(ms),
            }
        }
        for leg in 0..5 {
            for generation in 0..3 {
                bed.command(Command::Close { leg: LegRef { worker: 1, leg, generation } });
            }
        }
        let mut ended = BTreeMap::new();
        for (play, _) in bed.ends() {
            *ended.entry(play).or_insert(0) += 1;
        }
        prop_assert_eq!(ended, (1..=plays).map(|play| (play, 1)).collect::<BTreeMap<_, _>>());
        let mut recorded: Vec<u64> = bed.recorded().into_iter().map(|(id, ..)| id).collect();
        recorded.sort_unstable();
        prop_assert_eq!(recorded, (1..=records).collect::<Vec<_>>(), "each recording ends once");
        prop_assert_eq!(bed.worker.open_legs(), 0);
        for number in 0..4 {
            let sent = bed.rtp_of(number);
            for run in sent.chunk_by(|one, two| one.1.ssrc == two.1.ssrc) {
                let mut sequences: Vec<u16> = run.iter().map(|(_, h, _)| h.sequence).collect();
                let all = sequences.len();
                sequences.sort_unstable();
                sequences.dedup();
                prop_assert_eq!(sequences.len(), all, "a number was given twice");
            }
        }
        bed.run(PORT_REST_MS + 40);
        prop_assert_eq!(bed.worker.resting_ports(), 0);
    }
}
