//! Reading and checking a reply alone, against one pass over its line ends, in memory.

use std::fs;

use memchr::memchr_iter;
use sluse::domain::agreement::Agreement;
use sluse::domain::layout::Layout;
use sluse::domain::reply::ReplyReader;

use crate::measure::{Line, Section, Side, Target, Unit, by_turns, timed};
use crate::replies::{Content, Order, ReplyFile};
use crate::stage::{Plan, on_disk};

const AGREEMENTS: u64 = 1_000_000;

/// As the pipeline feeds it.
const CHUNK_BYTES: usize = 256 << 10;

const PROSE: &str = "A reply of 1,000,000 agreements of 120 bytes in memory, on one core: read by its layout into agreements, with every rule of every \
field and record, the counts and the sum of the end record. That no agreement comes twice is found by the store, when it is staged, and is in \
`Reply to register`. Against one pass of `memchr` for the line ends over the same bytes.";

pub fn row(plan: &Plan) -> Section {
    let disk = on_disk();
    let reply = ReplyFile::write(&disk.path().join("reply"), AGREEMENTS, Content::First, Order::ByNumber);
    let bytes = fs::read(&reply.path).expect("it was just written");
    let layout = Layout::shipped_reply();
    let read = || {
        let mut agreements = 0;
        let (seconds, end) = timed(|| {
            let mut reader = ReplyReader::new(&layout, reply.municipality);
            for chunk in bytes.chunks(CHUNK_BYTES) {
                let mut each = |_, agreement: Agreement| {
                    agreements += u64::from(std::hint::black_box(&agreement).amount.is_some());
                    Ok(())
                };
                reader.feed(chunk, &mut each).expect("it is fit");
            }
            reader.finish().expect("it is fit")
        });
        assert_eq!((end.count, agreements), (AGREEMENTS, AGREEMENTS));
        seconds
    };
    let count = || {
        let (seconds, ends) = timed(|| memchr_iter(b'\n', &bytes).count());
        assert_eq!(ends as u64, AGREEMENTS + 2);
        seconds
    };
    let [ours, theirs] = by_turns(plan.runs, [Side::seconds("Sluse", read), Side::seconds("memchr", count)]);
    let mut speed = crate::measure::Series::new("Sluse", Unit::MegabytesPerSecond);
    ours.values().iter().for_each(|seconds| speed.add(reply.bytes as f64 / 1e6 / seconds));
    let work = "1,000,000 agreements read and checked";
    let lines = vec![
        Line { work: work.to_owned(), ours, theirs: Some(theirs), target: Target::Report, floor: None },
        Line {
            work: format!("{work}, bytes in a second"),
            ours: speed,
            theirs: None,
            target: Target::AtLeast(800.0),
            floor: None,
        },
    ];
    Section { title: "Reading alone", prose: PROSE, lines, notes: Vec::new() }
}
