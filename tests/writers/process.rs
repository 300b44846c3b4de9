//! The same habits as processes of this machine: each a few lines of shell, which write into a real folder. Start with
//! [`PROCESSES`].

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::habit::Habit;

/// What a writer as a process does.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub habit: Habit,
    /// `$1` and `$2`: two queries of one size; `$3`: one more record; `$4`: a folder of its own on the same disk; `$5`: how
    /// long it rests, in seconds. The outbox folder is the working directory.
    script: &'static str,
    /// Whether the second query is there in the end, as a file of its own or in the first one's place.
    pub ends_with_second: bool,
    /// Whether it goes on with a file that may be claimed already: then it may be held.
    pub goes_on: bool,
    /// Whether it leaves a file that is no query.
    pub leaves_a_rest: bool,
}

const fn process(habit: Habit, script: &'static str) -> Process {
    Process { habit, script, ends_with_second: false, goes_on: false, leaves_a_rest: false }
}

pub const PROCESSES: [Process; 10] = [
    process(Habit::Pauses, "head -c 100 $1 > f.txt; sleep $5; tail -c +101 $1 >> f.txt"),
    process(
        Habit::Slow,
        "exec 3> f.txt; for i in 0 1 2 3 4 5 6 7; do dd if=$1 bs=64 skip=$i count=1 status=none >&3; sleep 0.0625; done",
    ),
    process(Habit::RenamesIn, "head -c 100 $1 > .f; sleep $5; tail -c +101 $1 >> .f; mv .f f.txt"),
    Process {
        goes_on: true,
        ..process(
            Habit::LinksIn,
            "head -c 244 $1 > $4/x; sleep $5; tail -c +245 $1 >> $4/x; ln $4/x f.txt; sleep $5; \
             dd if=$2 of=$4/x bs=1k conv=notrunc status=none",
        )
    },
    Process { leaves_a_rest: true, ..process(Habit::AppendsAfterClosing, "cat $1 > f.txt; sleep $5; cat $3 >> f.txt") },
    Process {
        ends_with_second: true,
        ..process(
            Habit::Truncates,
            "cat $1 > f.txt; sleep $5; head -c 150 $2 > f.txt; sleep 0.3; tail -c +151 $2 >> f.txt",
        )
    },
    Process {
        goes_on: true,
        leaves_a_rest: true,
        ..process(Habit::KeepsOpen, "exec 3> f.txt; cat $1 >&3; sleep $5; cat $3 >&3; sleep 0.1; exec 3>&-")
    },
    Process {
        goes_on: true,
        ..process(
            Habit::RewritesInPlace,
            "exec 3<> f.txt; cat $1 >&3; exec 4<> f.txt; sleep $5; dd if=$2 bs=61 conv=notrunc status=none >&4",
        )
    },
    process(
        Habit::EndFirst,
        "dd if=$1 of=f.txt bs=122 skip=2 seek=2 status=none; sleep $5; dd if=$1 of=f.txt bs=122 count=1 conv=notrunc status=none; \
         sleep $5; dd if=$1 of=f.txt bs=122 skip=1 seek=1 count=1 conv=notrunc status=none",
    ),
    Process { ends_with_second: true, ..process(Habit::Replaces, "cp $1 f.txt; cp $2 .f; sleep $5; mv .f f.txt") },
];

impl Process {
    /// Begins to write. `own` holds the queries `first`, `second` and `more`.
    pub fn start(&self, outbox: &Path, own: &Path, rest: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", self.script, "sh"]);
        command.args(["first", "second", "more"].map(|name| own.join(name)));
        command.arg(own).arg(rest).current_dir(outbox).stdin(Stdio::null());
        command.spawn().expect("there is a shell")
    }
}
