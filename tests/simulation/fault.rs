//! What can go wrong at a call through a seam, and where a plan puts it. The dice are here, too. Start with [`Fault`].

use std::collections::BTreeMap;

/// No disk is full, and no store unusable, for longer.
pub const FULL_SECONDS_MAX: u64 = 120;

/// What kind of call an effect is, so that a plan can choose the faults that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    DiskRead,
    DiskWrite,
    /// A write that needs room: something is created.
    DiskRoom,
    Store,
    Connect,
    FarRead,
    FarWrite,
}

/// How long the requests of a dead session lie in the server's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// Carried out just before the so-manieth request that a living session makes after it.
    Requests(u32),
    /// Carried out after so many seconds.
    Seconds(u64),
    Never,
}

/// What goes wrong at one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not done, and it is known. On the far side: never sent, and the session is gone.
    Fails,
    /// Done, and nobody hears of it.
    AnswerLost,
    /// Far side: answered that it was not done. Elsewhere as [`Fault::Fails`].
    Refused,
    /// Far side: the session is gone, and this request is carried out late or never. Elsewhere as [`Fault::Fails`].
    Late(Lateness),
    /// The process ends.
    Killed(When),
    /// The machine loses its power.
    PowerLost(When),
    /// Disk and store: from here on nothing can be written for so many seconds. Elsewhere as [`Fault::Refused`].
    Full(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Before,
    After,
    /// Disk: done, and not synced yet. Elsewhere as [`When::After`].
    Amid,
    /// Far side: the request has been sent. Elsewhere as [`When::Before`].
    Late(Lateness),
}

/// Where faults come from.
#[derive(Clone, Debug)]
pub enum Plan {
    At(BTreeMap<u64, Fault>),
    /// So many faults, each effect having one with one chance in `one_in`.
    Random {
        faults: u32,
        one_in: u64,
    },
}

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
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

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn lateness(&mut self) -> Lateness {
        match self.below(4) {
            0 => Lateness::Never,
            1 => Lateness::Seconds(self.below(90)),
            _ => Lateness::Requests(1 + self.below(12) as u32),
        }
    }

    pub fn fault(&mut self) -> Fault {
        match self.below(13) {
            0 => Fault::Fails,
            1 => Fault::AnswerLost,
            2 => Fault::Refused,
            3 | 4 => Fault::Late(self.lateness()),
            5 => Fault::Killed(When::Before),
            6 => Fault::Killed(When::After),
            7 => Fault::Killed(When::Late(self.lateness())),
            8 => Fault::PowerLost(When::Before),
            9 => Fault::PowerLost(When::After),
            10 => Fault::PowerLost(When::Amid),
            11 => Fault::Killed(When::Amid),
            _ => Fault::Full(1 + self.below(FULL_SECONDS_MAX)),
        }
    }
}

impl Fault {
    pub fn death(self) -> Option<(bool, When)> {
        match self {
            Fault::Killed(when) => Some((false, when)),
            Fault::PowerLost(when) => Some((true, when)),
            Fault::Fails | Fault::AnswerLost | Fault::Refused | Fault::Late(_) | Fault::Full(_) => None,
        }
    }

    /// The nearest thing that can befall this kind of call.
    pub fn fitted(self, kind: Kind) -> Fault {
        match (self, kind) {
            (Fault::Full(_), Kind::FarRead | Kind::FarWrite) => Fault::Refused,
            (Fault::Full(_), Kind::DiskRead | Kind::Connect) => Fault::Fails,
            (Fault::Killed(When::Amid), Kind::FarRead | Kind::FarWrite) => Fault::Killed(When::After),
            (Fault::PowerLost(When::Amid), Kind::FarRead | Kind::FarWrite) => Fault::PowerLost(When::After),
            (_, Kind::FarRead | Kind::FarWrite) => self,
            (Fault::Refused | Fault::Late(_), _) => Fault::Fails,
            (Fault::Killed(When::Amid), Kind::DiskRead | Kind::Store | Kind::Connect) => Fault::Killed(When::After),
            (Fault::PowerLost(When::Amid), Kind::DiskRead | Kind::Store | Kind::Connect) => {
                Fault::PowerLost(When::After)
            }
            (Fault::Killed(When::Late(_)), _) => Fault::Killed(When::Before),
            (Fault::PowerLost(When::Late(_)), _) => Fault::PowerLost(When::Before),
            (Fault::AnswerLost, Kind::DiskRead | Kind::Connect) => Fault::Fails,
            _ => self,
        }
    }
}
