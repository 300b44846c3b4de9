//! What the kernel knows of this process (proc(5)); what it does not tell is left out.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Standard numbers of a process, by the names that Prometheus' clients give them.
#[derive(Debug, Default)]
pub struct Told {
    pub resident_bytes: Option<f64>,
    pub cpu_seconds: Option<f64>,
    /// Seconds since 1970.
    pub started_at: Option<f64>,
    pub open_files: Option<f64>,
    pub open_files_max: Option<f64>,
}

/// Reads them now.
pub fn look() -> Told {
    let ticks = clock_ticks_per_second() as f64;
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the program's name, which may hold anything, come the fields from the third on.
    let fields: Vec<f64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().map(|field| field.parse().unwrap_or(f64::NAN)).collect())
        .unwrap_or_default();
    let field = |number: usize| fields.get(number - 3).copied().filter(|value| value.is_finite());
    let sum = |one: Option<f64>, other: Option<f64>| Some(one? + other?);
    Told {
        resident_bytes: field(24).map(|pages| pages * page_size() as f64),
        cpu_seconds: sum(field(14), field(15)).map(|spent| spent / ticks),
        started_at: sum(booted_at(), field(22).map(|after| after / ticks)),
        // One of them is that of the folder that is being read.
        open_files: fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() - 1) as f64),
        open_files_max: getrlimit(Resource::Nofile).current.map(|files| files as f64),
    }
}

/// Seconds since 1970.
fn booted_at() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}
