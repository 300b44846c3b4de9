//! How writers write, and what each means as whole. A habit with dice gives a course of acts; whether the rules can protect
//! it is said by [`Course::is_protected`]. Start with [`HABITS`].

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use jiff::civil::date;
use sluse::domain::identity::DeliveryNumber;
use sluse::domain::layout::Layout;
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::query::{QueryOrder, compose_query};

use super::world::{Act, TICK};

/// A record of the shipped layout, with its line end.
pub const RECORD: usize = 122;

/// A file is looked at when it has been still for so long; see `outbox::sight`.
const STILL_BEFORE_LOOK: Duration = Duration::from_millis(50);

pub const SETTLE: Duration = Duration::from_secs(10);
pub const UNFIT_AFTER: Duration = Duration::from_secs(600);

/// Numbers from a seed: the same seed gives the same course. SplitMix64.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 up to, and without, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// More often short than long.
    pub fn up_to(&mut self, longest: Duration) -> Duration {
        let shift = if self.below(3) == 0 { 0 } else { self.below(12) };
        let longest = longest.as_micros() as u64 >> shift;
        Duration::from_micros(self.below(longest + 1))
    }
}

/// Read once: there are many courses.
static SHIPPED: LazyLock<Layout> = LazyLock::new(Layout::shipped_query);

/// Whether the layout says where a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    Wholeness,
    /// No end record: a file that ends behind any record is fit.
    Nothing,
}

impl Tells {
    /// As a person would say it.
    pub fn words(self) -> &'static str {
        match self {
            Tells::Wholeness => "a layout that tells",
            Tells::Nothing => "a layout that cannot tell",
        }
    }

    pub fn layout(self) -> Layout {
        Layout::parse("query.toml", self.toml()).expect("an end record may be missing")
    }

    pub fn toml(self) -> &'static str {
        let toml = include_str!("../../layouts/sf2530/query.toml");
        match (self, toml.split_once("[[record]]\nname = \"END\"")) {
            (Tells::Wholeness, _) => toml,
            (Tells::Nothing, endless) => endless.expect("the end record comes last").0,
        }
    }
}

/// What one writer does.
pub struct Course {
    pub acts: Vec<(Duration, Act)>,
    /// The contents that it means as whole.
    pub meant: Vec<Vec<u8>>,
    /// The longest rest in the middle of a content that others see.
    longest_rest: Duration,
    /// The same in a content that is written over another of its size: a layout that tells may take it for whole.
    longest_rest_in_place: Duration,
}

impl Course {
    /// Whether the rules promise that nothing but what is meant is sent. Where the layout tells, only a rewrite in place
    /// looks whole in the middle; where it cannot tell, whoever rests for longer than `settle` has said that it
    /// is whole.
    pub fn is_protected(&self, tells: Tells) -> bool {
        match tells {
            Tells::Wholeness => self.longest_rest_in_place + TICK < STILL_BEFORE_LOOK,
            Tells::Nothing => self.longest_rest + TICK < SETTLE,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    Pauses,
    PausesLong,
    Slow,
    RenamesIn,
    LinksIn,
    AppendsAfterClosing,
    Truncates,
    KeepsOpen,
    RewritesInPlace,
    RewritesInPlaceSlowly,
    EndFirst,
    Replaces,
}

pub const HABITS: [Habit; 12] = [
    Habit::Pauses,
    Habit::PausesLong,
    Habit::Slow,
    Habit::RenamesIn,
    Habit::LinksIn,
    Habit::AppendsAfterClosing,
    Habit::Truncates,
    Habit::KeepsOpen,
    Habit::RewritesInPlace,
    Habit::RewritesInPlaceSlowly,
    Habit::EndFirst,
    Habit::Replaces,
];

impl Habit {
    /// As a person would say it.
    pub fn words(self) -> &'static str {
        match self {
            Habit::Pauses => "a writer that pauses for less than `settle`",
            Habit::PausesLong => "a writer that may pause for longer than `settle`",
            Habit::Slow => "a writer of 1 KB a second",
            Habit::RenamesIn => "a writer that renames the file in",
            Habit::LinksIn => "a writer that hard-links the file in and writes on under its other name",
            Habit::AppendsAfterClosing => "a writer that appends after closing",
            Habit::Truncates => "a writer that truncates and rewrites",
            Habit::KeepsOpen => "a writer that keeps the file open and writes on after the claim",
            Habit::RewritesInPlace => "a writer that rewrites in place, of the same size",
            Habit::RewritesInPlaceSlowly => "a writer that rewrites in place, of the same size, with pauses",
            Habit::EndFirst => "a writer that writes the end record first",
            Habit::Replaces => "a writer that replaces the file by another",
        }
    }

    /// One course of it.
    pub fn course(self, dice: &mut Dice, tells: Tells) -> Course {
        let records = 1 + dice.below(4) as usize;
        let mut first = query(records, tells, 1);
        let mut script = Script::default();
        let short = SETTLE - TICK.saturating_mul(2);
        let (shown, hidden) = (PathBuf::from("/outbox/0751/query.txt"), PathBuf::from("/outbox/0751/.query.txt"));
        match self {
            Habit::Pauses => script.grow(dice, &shown, &first, short),
            Habit::PausesLong => script.grow(dice, &shown, &first, SETTLE.saturating_mul(3)),
            Habit::Slow => script.crawl(&shown, &first),
            Habit::RenamesIn => {
                script.grow_unseen(dice, &hidden, &first);
                script.then(dice.up_to(SETTLE), Act::Rename { from: hidden, to: shown });
            }
            Habit::LinksIn => {
                let elsewhere = PathBuf::from("/elsewhere/query.txt");
                script.grow_unseen(dice, &elsewhere, &first);
                script.then(dice.up_to(SETTLE), Act::Link { from: elsewhere, to: shown });
                let second = query(records, tells, 2);
                script.wait(dice.up_to(SETTLE.saturating_mul(2)));
                script.rewrite(dice, &first, &second, TICK);
                script.meant.push(second);
            }
            Habit::AppendsAfterClosing => {
                script.grow(dice, &shown, &first, short);
                script.wait(dice.up_to(SETTLE.saturating_mul(2)));
                let more = first[RECORD..2 * RECORD].to_vec();
                script.then(Duration::ZERO, Act::Open { name: shown, truncate: false });
                script.then(Duration::ZERO, Act::Append(more.clone()));
                script.meant.push([first.clone(), more].concat());
            }
            Habit::Truncates => {
                script.grow(dice, &shown, &first, short);
                script.wait(dice.up_to(SETTLE.saturating_mul(2)));
                let second = query(records, tells, 2);
                script.then(Duration::ZERO, Act::Open { name: shown, truncate: true });
                script.pieces(dice, &second, short);
                script.meant.push(second);
            }
            Habit::KeepsOpen => {
                script.grow(dice, &shown, &first, short);
                // Whatever is whole so far may be taken; the writer goes on with the same open file.
                for _ in 0..=dice.below(4) {
                    let more = first[RECORD..2 * RECORD].to_vec();
                    script.then(dice.up_to(SETTLE.saturating_mul(2)), Act::Append(more.clone()));
                    let longer = [first.clone(), more].concat();
                    script.meant.push(std::mem::replace(&mut first, longer));
                }
            }
            Habit::RewritesInPlace | Habit::RewritesInPlaceSlowly => {
                script.grow(dice, &shown, &first, short);
                script.wait(dice.up_to(SETTLE.saturating_mul(2)));
                let second = query(records, tells, 2);
                let rest = match (self, tells) {
                    (Habit::RewritesInPlace, Tells::Wholeness) => STILL_BEFORE_LOOK - TICK.saturating_mul(2),
                    (Habit::RewritesInPlace, Tells::Nothing) => short,
                    _ => SETTLE.saturating_mul(2),
                };
                script.rewrite(dice, &first, &second, rest);
                script.meant.push(second);
            }
            Habit::EndFirst => {
                let end = first.len() - RECORD;
                script.then(Duration::ZERO, Act::Open { name: shown, truncate: true });
                script.then(Duration::ZERO, Act::WriteAt { offset: end, bytes: first[end..].to_vec() });
                script.pieces(dice, &first[..end], short);
            }
            Habit::Replaces => {
                script.grow(dice, &shown, &first, short);
                let second = query(records, tells, 2);
                script.wait(dice.up_to(SETTLE));
                script.grow_unseen(dice, &hidden, &second);
                script.then(dice.up_to(SETTLE), Act::Rename { from: hidden, to: shown });
                script.meant.push(second);
            }
        }
        script.meant.push(first);
        Course {
            acts: script.acts,
            meant: script.meant,
            longest_rest: script.longest_rest,
            longest_rest_in_place: script.longest_rest_in_place,
        }
    }
}

/// A query with so many records in its middle; `delivery` makes each another one.
fn query(records: usize, tells: Tells, delivery: u32) -> Vec<u8> {
    let municipality: MunicipalityCode = "0751".parse().expect("a code of the table");
    let created = date(2026, 1, 5).at(9, 30, 0, 0);
    let payment_date = date(2031, if delivery == 1 { 1 } else { 2 }, 27);
    let order = QueryOrder { municipality, created, delivery: DeliveryNumber(delivery), payment_date };
    let shipped = compose_query(&SHIPPED, &order).expect("the shipped layout can say this");
    let mut bytes = shipped[..RECORD].to_vec();
    bytes.extend(shipped[RECORD..2 * RECORD].repeat(records));
    if tells == Tells::Wholeness {
        let mut end = shipped[2 * RECORD..].to_vec();
        end[6..14].copy_from_slice(format!("{records:08}").as_bytes());
        bytes.extend(end);
    }
    bytes
}

/// Acts in the making.
#[derive(Default)]
struct Script {
    at: Duration,
    acts: Vec<(Duration, Act)>,
    meant: Vec<Vec<u8>>,
    longest_rest: Duration,
    longest_rest_in_place: Duration,
}

impl Script {
    fn wait(&mut self, rest: Duration) {
        self.at += rest;
    }

    fn then(&mut self, rest: Duration, act: Act) {
        self.wait(rest);
        self.acts.push((self.at, act));
    }

    /// A new content, seen while it grows.
    fn grow(&mut self, dice: &mut Dice, name: &Path, content: &[u8], rest_max: Duration) {
        self.then(Duration::ZERO, Act::Open { name: name.to_owned(), truncate: true });
        self.pieces(dice, content, rest_max);
    }

    /// The same under a name that is not looked at.
    fn grow_unseen(&mut self, dice: &mut Dice, name: &Path, content: &[u8]) {
        let longest_rest = self.longest_rest;
        self.grow(dice, name, content, SETTLE.saturating_mul(3));
        self.longest_rest = longest_rest;
    }

    /// A file of another content is written over, piece by piece.
    fn rewrite(&mut self, dice: &mut Dice, former: &[u8], content: &[u8], rest_max: Duration) {
        assert_eq!(former.len(), content.len(), "the same size");
        let former_rest = std::mem::take(&mut self.longest_rest);
        self.pieces(dice, content, rest_max);
        self.longest_rest_in_place = self.longest_rest;
        self.longest_rest = self.longest_rest.max(former_rest);
    }

    fn pieces(&mut self, dice: &mut Dice, content: &[u8], rest_max: Duration) {
        let mut offset = 0;
        while offset < content.len() {
            let size = match dice.below(3) {
                // To the end of a record, where a layout without an end record takes it for whole.
                0 => RECORD - offset % RECORD,
                1 => content.len() - offset,
                _ => 1 + dice.below(content.len() as u64) as usize,
            };
            let end = content.len().min(offset + size);
            let rest = if offset == 0 { Duration::ZERO } else { dice.up_to(rest_max) };
            self.longest_rest = self.longest_rest.max(rest);
            self.then(rest, Act::WriteAt { offset, bytes: content[offset..end].to_vec() });
            offset = end;
        }
    }

    fn crawl(&mut self, name: &Path, content: &[u8]) {
        self.then(Duration::ZERO, Act::Open { name: name.to_owned(), truncate: true });
        for (number, piece) in content.chunks(64).enumerate() {
            let rest = Duration::from_micros(62_500);
            self.longest_rest = rest;
            self.then(rest, Act::WriteAt { offset: number * 64, bytes: piece.to_vec() });
        }
    }
}
