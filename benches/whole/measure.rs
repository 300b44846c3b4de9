//! What was measured: a [`Series`] of values of one thing, a [`Line`] that holds two of them against each other, a
//! [`Section`] of lines. Decides by the target, and prints nothing. Measuring by turns is [`by_turns`].

use std::time::{Duration, Instant};

/// What the values of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Milliseconds,
    Mebibytes,
    MegabytesPerSecond,
    Percent,
}

impl Unit {
    pub fn sign(self) -> &'static str {
        match self {
            Unit::Seconds => "s",
            Unit::Milliseconds => "ms",
            Unit::Mebibytes => "MiB",
            Unit::MegabytesPerSecond => "MB/s",
            Unit::Percent => "%",
        }
    }
}

/// One thing, measured several times.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    pub unit: Unit,
    values: Vec<f64>,
}

impl Series {
    pub fn new(name: impl Into<String>, unit: Unit) -> Series {
        Series { name: name.into(), unit, values: Vec::new() }
    }

    pub fn seconds(name: impl Into<String>) -> Series {
        Series::new(name, Unit::Seconds)
    }

    pub fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    /// In the order of measuring.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// By the nearest rank; the median of an even number is the mean of the two in the middle.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1).expect("what is looked at was measured");
        if share == 0.5 && sorted.len().is_multiple_of(2) {
            return f64::midpoint(sorted[last / 2], sorted[last / 2 + 1]);
        }
        sorted[((sorted.len() as f64 * share).ceil() as usize).clamp(1, last + 1) - 1]
    }

    pub fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    pub fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// The same thing in other words or units, value for value.
    pub fn times(&self, factor: f64, unit: Unit) -> Series {
        Series { name: self.name.clone(), unit, values: self.values.iter().map(|value| value * factor).collect() }
    }

    /// `0.42 s (0.40–0.51)`.
    pub fn shown(&self) -> String {
        match self.values.len() {
            1 => format!("{} {}", number(self.median()), self.unit.sign()),
            _ => {
                let [median, min, max] = [self.median(), self.min(), self.max()].map(number);
                format!("{median} {} ({min}–{max})", self.unit.sign())
            }
        }
    }
}

/// Three significant digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

/// What a line is to reach.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Ours divided by theirs.
    RatioAtMost(f64),
    /// Ours, in its unit.
    AtMost(f64),
    AtLeast(f64),
    /// Nothing; it is shown to be seen.
    Report,
}

/// The least that the work costs.
#[derive(Clone, Debug)]
pub struct Floor {
    /// In the unit of ours.
    pub value: f64,
    /// What it is made of.
    pub what: String,
}

/// Ours against theirs.
#[derive(Clone, Debug)]
pub struct Line {
    pub work: String,
    pub ours: Series,
    /// None: judged by itself.
    pub theirs: Option<Series>,
    pub target: Target,
    pub floor: Option<Floor>,
}

impl Line {
    /// Ours divided by theirs.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.ours.median() / self.theirs.as_ref()?.median())
    }

    /// None: there is nothing to be reached.
    pub fn is_reached(&self) -> Option<bool> {
        match self.target {
            Target::RatioAtMost(limit) => Some(self.ratio()? <= limit),
            Target::AtMost(limit) => Some(self.ours.median() <= limit),
            Target::AtLeast(limit) => Some(self.ours.median() >= limit),
            Target::Report => None,
        }
    }
}

/// One row of the issue: some lines, what one must know to read them, and what else was seen.
#[derive(Clone, Debug)]
pub struct Section {
    pub title: &'static str,
    pub prose: &'static str,
    pub lines: Vec<Line>,
    /// Sentences with measured numbers.
    pub notes: Vec<String>,
    /// Shown where a target is not reached: where the time goes, and what would have to give.
    pub why: &'static str,
}

impl Section {
    pub fn falls_short(&self) -> bool {
        self.lines.iter().any(|line| line.is_reached() == Some(false))
    }
}

/// One side of a comparison: does the work once and returns what it measured.
pub struct Side<'a> {
    pub series: Series,
    pub work: Box<dyn FnMut() -> f64 + 'a>,
}

impl<'a> Side<'a> {
    pub fn seconds(name: impl Into<String>, work: impl FnMut() -> f64 + 'a) -> Side<'a> {
        Side { series: Series::seconds(name), work: Box::new(work) }
    }
}

/// All sides by turns, so many times, so that what else happens on the machine meets all alike; every second time
/// round in the opposite order. Returns their series, in the order of the sides.
pub fn by_turns<'a, const N: usize>(runs: usize, mut sides: [Side<'a>; N]) -> [Series; N] {
    for run in 0..runs {
        for place in 0..N {
            let side = &mut sides[if run.is_multiple_of(2) { place } else { N - 1 - place }];
            let value = (side.work)();
            eprintln!("  {}: {} {}", side.series.name, number(value), side.series.unit.sign());
            side.series.add(value);
        }
    }
    sides.map(|side| side.series)
}

/// The one of these with the least median.
pub fn best(series: impl IntoIterator<Item = Series>) -> Series {
    let least = series.into_iter().min_by(|a, b| a.median().total_cmp(&b.median()));
    least.expect("somebody takes part")
}

/// How long something takes, in seconds.
pub fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let done = work();
    (began.elapsed().as_secs_f64(), done)
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
