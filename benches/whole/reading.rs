//! Reading and checking a reply alone, against one pass over its line ends, in memory.

use std::fs;

use memchr::memchr_iter;
use sluse::domain::agreement::Stated;
use sluse::domain::layout::Layout;
use sluse::domain::reply::ReplyReader;
use sluse::store::Sorting;

use crate::measure::{Line, Section, Side, Target, Unit, by_turns, timed};
use crate::replies::{Content, Order, ReplyFile};
use crate::stage::{Plan, on_disk};

const AGREEMENTS: u64 = 1_000_000;

/// As the pipeline feeds it.
const CHUNK_BYTES: usize = 256 << 10;

const PROSE: &str = "A reply of 1,000,000 agreements of 120 bytes in memory, on one core: read by its layout into agreements, with every rule of every \
field and record, the counts and the sum of the end record; and the same with the sorting on disk that finds an agreement that comes twice. Against one pass of `memchr` for the line ends over the same bytes.";

const WHY: &str = "The records are cut, and every field is held against its rule: 14 of them in 120 bytes, among them a CPR number, two dates and \
an amount. By `perf` the time is spread: looking at the fields 30 %, comparing and copying bytes 20 %, cutting the records 17 %, dates and \
numbers 15 %, text and UTF-8 11 %. More would take checks that are made for many records at once (SIMD over columns), for a reply that is \
read once a month.";

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
                let mut each = |_, stated: &Stated<'_>| {
                    agreements += u64::from(std::hint::black_box(stated).amount.is_some());
                    Ok(())
                };
                reader.feed(chunk, &mut each).expect("it is fit");
            }
            reader.finish().expect("it is fit")
        });
        assert_eq!((end.count, agreements), (AGREEMENTS, AGREEMENTS));
        seconds
    };
    let sort = || {
        let (seconds, sorted) = timed(|| {
            let mut reader = ReplyReader::new(&layout, reply.municipality);
            let mut sorting = Sorting::new(disk.path());
            for chunk in bytes.chunks(CHUNK_BYTES) {
                let mut each = |record, stated: &Stated<'_>| {
                    sorting.take(record, stated).expect("there is room");
                    Ok(())
                };
                reader.feed(chunk, &mut each).expect("it is fit");
            }
            let end = reader.finish().expect("it is fit");
            sorting.finish(end.head.date).expect("there is room").expect("none comes twice")
        });
        assert_eq!(sorted.count(), AGREEMENTS);
        seconds
    };
    let count = || {
        let (seconds, ends) = timed(|| memchr_iter(b'\n', &bytes).count());
        assert_eq!(ends as u64, AGREEMENTS + 2);
        seconds
    };
    let sides = [Side::seconds("Sluse", read), Side::seconds("Sluse", sort), Side::seconds("memchr", count)];
    let [ours, sorted, theirs] = by_turns(plan.runs, sides);
    let mut speed = crate::measure::Series::new("Sluse", Unit::MegabytesPerSecond);
    ours.values().iter().for_each(|seconds| speed.add(reply.bytes as f64 / 1e6 / seconds));
    let work = "1,000,000 agreements read and checked";
    let lines = vec![
        Line { work: work.to_owned(), ours, theirs: Some(theirs.clone()), target: Target::Report, floor: None },
        Line {
            work: format!("{work}, and none of them twice"),
            ours: sorted,
            theirs: Some(theirs),
            target: Target::Report,
            floor: None,
        },
        Line {
            work: format!("{work}, bytes in a second"),
            ours: speed,
            theirs: None,
            target: Target::AtLeast(800.0),
            floor: None,
        },
    ];
    Section { title: "Reading alone", prose: PROSE, lines, notes: Vec::new(), why: WHY }
}
