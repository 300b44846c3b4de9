//! Everything the page says, in Danish and in English, side by side, so that nothing is missing in one of them. The
//! engine's own sentences are English; what they are in Danish is told by [`sentences`]. Start with [`Language`].

pub mod sentences;

use axum::http::{HeaderMap, header};

use crate::domain::moment::Moment;

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Danish,
    English,
}

/// The cookie in which a choice is kept.
pub const COOKIE: &str = "sluse_lang";

impl Language {
    pub const ALL: [Language; 2] = [Language::Danish, Language::English];

    /// As in HTML's `lang`.
    pub fn code(self) -> &'static str {
        match self {
            Language::Danish => "da",
            Language::English => "en",
        }
    }

    pub fn by_code(code: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.code() == code)
    }

    pub fn words(self) -> &'static Words {
        match self {
            Language::Danish => &DANISH,
            Language::English => &ENGLISH,
        }
    }

    /// The one that a caller chose before, else the one of ours that its browser prefers, else English.
    pub fn of(headers: &HeaderMap) -> Language {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let cookies = text(header::COOKIE).split(';').filter_map(|pair| pair.trim().split_once('='));
        let chosen = cookies.filter(|(name, _)| *name == COOKIE).find_map(|(_, code)| Language::by_code(code));
        chosen.unwrap_or_else(|| Language::preferred(text(header::ACCEPT_LANGUAGE)))
    }

    fn preferred(accepted: &str) -> Language {
        let mut best = (Language::English, 0.0);
        for part in accepted.split(',') {
            let (tag, quality) = part.split_once(';').unwrap_or((part, "q=1"));
            let quality: f32 = quality.trim().strip_prefix("q=").and_then(|q| q.parse().ok()).unwrap_or(0.0);
            let code = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            if let Some(language) = Language::by_code(&code)
                && quality > best.1
            {
                best = (language, quality);
            }
        }
        best.0
    }

    /// `12.345` or `12,345`.
    pub fn number(self, number: u64) -> String {
        self.punctuated(&crate::operator::text::grouped(number))
    }

    /// A number as English writes it, such as `1,603.00`, as this language does.
    pub fn punctuated(self, english: &str) -> String {
        let swapped = |c| match c {
            ',' => '.',
            '.' => ',',
            other => other,
        };
        match self {
            Language::English => english.to_owned(),
            Language::Danish => english.chars().map(swapped).collect(),
        }
    }

    /// The same of a text that may be a number, and is left as it is where it is none.
    pub fn figure(self, english: &str) -> String {
        let is_number = english.starts_with(|c: char| c == '-' || c.is_ascii_digit())
            && english.bytes().skip(1).all(|b| b.is_ascii_digit() || b == b',' || b == b'.');
        if is_number { self.punctuated(english) } else { english.to_owned() }
    }

    /// The time of day of a moment near `now`, with its day where it is another one, its year where that is.
    pub fn time(self, at: Moment, now: Moment) -> String {
        let (at, now) = (at.in_copenhagen(), now.in_copenhagen());
        let clock = match self {
            Language::Danish => format!("{:02}.{:02}", at.hour(), at.minute()),
            Language::English => format!("{:02}:{:02}", at.hour(), at.minute()),
        };
        match (at.date() == now.date(), at.year() == now.year()) {
            (true, _) => clock,
            (false, true) => format!("{} {clock}", self.day(at.date())),
            (false, false) => format!("{} {} {clock}", self.day(at.date()), at.year()),
        }
    }

    /// The same to the second.
    pub fn second(self, at: Moment, now: Moment) -> String {
        let seconds = at.in_copenhagen().second();
        match self {
            Language::Danish => format!("{}.{seconds:02}", self.time(at, now)),
            Language::English => format!("{}:{seconds:02}", self.time(at, now)),
        }
    }

    /// `1. dec.` or `1 Dec`.
    fn day(self, date: jiff::civil::Date) -> String {
        let month = usize::try_from(date.month() - 1).unwrap_or_default();
        match self {
            Language::Danish => format!("{}. {}", date.day(), DANISH_MONTHS[month]),
            Language::English => format!("{} {}", date.day(), ENGLISH_MONTHS[month]),
        }
    }

    /// `31. dec. 2026` or `31 Dec 2026`.
    pub fn date(self, date: jiff::civil::Date) -> String {
        format!("{} {}", self.day(date), date.year())
    }

    /// `3 min` and the like, the largest unit alone.
    pub fn lasting(self, lasted: std::time::Duration) -> String {
        let words = self.words();
        match lasted.as_secs() {
            seconds @ 0..120 => format!("{seconds} s"),
            seconds @ 120..7_200 => format!("{} min", seconds / 60),
            seconds @ 7_200..172_800 => format!("{} {}", seconds / 3_600, words.hours),
            seconds => format!("{} {}", seconds / 86_400, words.days),
        }
    }
}

const DANISH_MONTHS: [&str; 12] =
    ["jan.", "feb.", "mar.", "apr.", "maj", "juni", "juli", "aug.", "sep.", "okt.", "nov.", "dec."];
const ENGLISH_MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "June", "July", "Aug", "Sep", "Oct", "Nov", "Dec"];

macro_rules! words {
    ($($key:ident: $english:literal, $danish:literal;)*) => {
        /// Every word and sentence of the page itself; `{}` stands for what is put in.
        pub struct Words {
            $(pub $key: &'static str,)*
        }
        static ENGLISH: Words = Words { $($key: $english,)* };
        static DANISH: Words = Words { $($key: $danish,)* };
        #[cfg(test)]
        pub(super) const KEYS: &[(&str, &str, &str)] = &[$((stringify!($key), $english, $danish),)*];
    };
}

words! {
    // The frame.
    status: "Status", "Status";
    skip: "Skip to the content", "Spring til indholdet";
    parts: "Parts of this page", "Sidens dele";
    other_language: "Dansk", "English";
    other_language_code: "da", "en";
    as_of: "As of", "Som det så ud";
    local_time: "Danish local time", "dansk tid";
    read_only: "Nothing can be changed here. Decisions are taken by commands on the server.",
        "Her kan intet ændres. Afgørelser træffes med kommandoer på serveren.";
    live: "This page keeps itself up to date.", "Siden holder sig selv ajour.";
    not_live: "No answer from Sluse; what is shown is from {}.", "Sluse svarer ikke; det viste er fra {}.";
    reload: "Look again", "Se efter igen";
    back: "All municipalities", "Alle kommuner";
    hours: "h", "t";
    days: "days", "dage";
    and_more: "and {} more", "og {} til";

    // The headline.
    all_well: "All is as it should be.", "Alt er, som det skal være.";
    one_needs_you: "One matter needs a person.", "En sag kræver et menneske.";
    some_need_you: "{} matters need a person.", "{} sager kræver et menneske.";
    of_one: "{} municipality:", "{} kommune:";
    of_many: "{} municipalities:", "{} kommuner:";

    // What needs a person.
    needs_you: "Needs a person", "Kræver et menneske";
    decide_by: "To decide it, on the server:", "Afgøres på serveren:";
    look_by: "To see more, on the server:", "Se mere på serveren:";
    copy: "Copy", "Kopiér";
    copied: "Copied", "Kopieret";
    late: "The far side is late", "Modparten er forsinket";
    nothing_asked: "Nothing was asked", "Der er intet spurgt om";
    concern_query: "A query is missing", "En forespørgsel mangler";
    concern_poll: "The far side cannot be read", "Modparten kan ikke læses";
    concern_host_key: "A server shows an unknown key", "En server viser en ukendt nøgle";
    concern_login: "A server does not let us in", "En server lukker os ikke ind";
    concern_decision: "Waits for a decision", "Venter på en afgørelse";
    concern_stuck: "A step does not succeed", "Et skridt lykkes ikke";
    concern_untakable: "A file in IN cannot be taken", "En fil i IN kan ikke hentes";
    concern_calendar: "The calendar comes to its end", "Kalenderen slutter snart";
    concern_receiver: "Alarms cannot be delivered", "Alarmer kan ikke leveres";
    concern_unit: "The service has failed", "Tjenesten er fejlet";
    concern_test: "A person tries the alarms out", "Et menneske prøver alarmerne af";
    overdue_since: "The far side's answer was due {}.", "Modpartens svar skulle være kommet {}.";
    overdue_advice: "Ask the far side why nothing has come.", "Spørg modparten, hvorfor intet er kommet.";
    unasked_told: "The latest query is {}, so nothing was asked. Put a corrected query into the outbox, or send it again.",
        "Den seneste forespørgsel er {}, så der er intet spurgt om. Læg en rettet forespørgsel i outbox, eller send den igen.";
    halted: "A disk is full or failing", "En disk er fuld eller fejler";
    halted_remedy: "Make room on that disk, or mend it; then it goes on by itself. Nothing is lost.",
        "Skaf plads på disken, eller reparér den; så fortsætter alt af sig selv. Intet er tabt.";
    restored: "The store was put back from a backup", "Databasen er lagt tilbage fra en sikkerhedskopi";
    anchor: "The anchor cannot be written", "Ankeret kan ikke skrives";
    far_side: "The far side cannot be reached: {}", "Modparten kan ikke nås: {}";
    far_side_remedy: "Sluse tries again and again. If it lasts, see whether the network and the far side work.",
        "Sluse prøver igen og igen. Varer det ved, så se, om netværket og modparten virker.";
    unreadable: "A folder cannot be read", "En mappe kan ikke læses";
    unread: "Not understood", "Ikke forstået";

    // The municipalities.
    municipalities: "Municipalities", "Kommuner";
    municipality: "Municipality", "Kommune";
    state: "State", "Tilstand";
    since_column: "Since", "Siden";
    next: "Next", "Næste skridt";
    deadline: "Deadline", "Frist";
    due: "due {}", "frist {}";
    overdue: "overdue since {}", "over fristen siden {}";
    overdue_word: "Overdue:", "Over fristen:";
    not_yet: "Not yet: {}", "Ikke endnu: {}";
    besides_one: "one more story is open", "en anden sag er åben";
    besides_many: "{} more stories are open", "{} andre sager er åbne";

    // The house.
    endpoints: "Far sides", "Modparter";
    listed: "IN was last listed {}.", "IN blev sidst læst {}.";
    never_listed: "IN has not been listed yet.", "IN er ikke læst endnu.";
    foreign_one: "1 file there is for others, and left alone.", "1 fil der er til andre og lades i fred.";
    foreign: "{} files there are for others, and left alone.", "{} filer der er til andre og lades i fred.";
    nothing_odd: "Nothing there that should not be.", "Intet der, som ikke skal være der.";
    cannot_be_taken: "These look like ours and cannot be taken:", "Disse ligner vores og kan ikke hentes:";
    outbox: "In the outboxes", "I outbox";
    outbox_empty: "Nothing lies in an outbox that is not taken.", "Intet ligger i outbox uden at blive taget.";
    elsewhere: "elsewhere", "et andet sted";
    refused: "Refused", "Afvist";
    refused_empty: "Nothing lies in refused/ that no later query followed.",
        "Intet ligger i refused/, som ikke er fulgt op af en senere forespørgsel.";
    refused_lies: "They lie below {}, with the whole reason beside each.",
        "De ligger under {}, med hele begrundelsen ved siden af.";

    // A story.
    exchange: "Exchange", "Udveksling";
    payment_date: "Payment date", "Betalingsdato";
    milestones: "Milestones", "Milepæle";
    changes: "What the reply changes", "Hvad svaret ændrer";
    changes_done: "What the reply changed", "Hvad svaret ændrede";
    first_load: "This is the first reply of this municipality: there was nothing to compare it with.",
        "Det er kommunens første svar: der var intet at sammenligne med.";
    new: "new", "nye";
    changed: "changed", "ændrede";
    ended: "ended", "ophørte";
    resumed: "resumed", "genoptagne";
    unchanged: "unchanged", "uændrede";
    before: "Before", "Før";
    after: "After", "Efter";
    agreements: "Agreements", "Aftaler";
    kroner: "Kroner a month", "Kroner om måneden";
    what_happened: "What happened", "Hvad der er sket";
    not_understood: "Another version of Sluse wrote this; this one does not understand it.",
        "En anden version af Sluse har skrevet dette; denne forstår det ikke.";
    to_come: "to come", "kommer";
    expected: "expected by {}", "ventes inden {}";
    can_withdraw: "Until its trigger is on its way it can be taken back:",
        "Indtil triggeren er på vej, kan den trækkes tilbage:";
    can_retry: "The same query can be sent again, as a new exchange:",
        "Den samme forespørgsel kan sendes igen som en ny udveksling:";
    can_give_up: "If the far side says that nothing will come, give up the wait; the query still counts:",
        "Siger modparten, at intet kommer, så opgiv ventetiden; forespørgslen tæller stadig:";
    query_file: "Query", "Forespørgsel";
    reply_file: "Reply", "Svar";
    other_query: "The other query", "Den anden forespørgsel";
    delivery: "delivery {}", "leverance {}";
    no_delivery: "no delivery number that can be read", "intet leverancenummer, der kan læses";
    same_date: "the same payment date", "samme betalingsdato";
    same_month: "another date of the same month", "en anden dato i samme måned";

    // A municipality.
    all_stories: "All exchanges, the latest first", "Alle udvekslinger, den seneste først";
    began: "Began", "Begyndt";
    no_story: "No query of this municipality was taken yet, and no reply came.",
        "Der er endnu ikke taget nogen forespørgsel fra kommunen, og intet svar er kommet.";

    // What can go wrong.
    not_found: "There is no such page", "Siden findes ikke";
    not_found_told: "The settings or the journal know nothing of this name.",
        "Indstillinger og journal kender ikke dette navn.";
    silent: "Sluse does not answer", "Sluse svarer ikke";
    silent_told: "The page is served, but the engine behind it does not answer. See `systemctl status sluse` on the server.",
        "Siden bliver vist, men motoren bag den svarer ikke. Se `systemctl status sluse` på serveren.";
    token_needed: "This page needs its token", "Siden kræver sit token";
    token_told: "It is the first line of the file that `token` in [page] of the settings names.",
        "Det er første linje i den fil, som `token` i [page] i indstillingerne peger på.";
    token: "Token", "Token";
    enter: "Look", "Se";
    wrong_host: "This page is only served under the names of this machine's loopback, such as localhost.",
        "Siden vises kun under denne maskines egne loopback-navne som localhost.";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(accepted: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, accepted.parse().unwrap());
        Language::of(&headers)
    }

    #[test]
    fn the_browser_says_which_language_and_a_choice_says_it_better() {
        for (accepted, language) in [
            ("da", Language::Danish),
            ("da-DK,da;q=0.9,en;q=0.8", Language::Danish),
            ("en-GB,en;q=0.9,da;q=0.8", Language::English),
            ("en;q=0.5, da;q=0.7", Language::Danish),
            ("de, fr;q=0.5", Language::English),
            ("de, da;q=0.1", Language::Danish),
            ("", Language::English),
        ] {
            assert_eq!(preferred(accepted), language, "{accepted}");
        }
        let headers = HeaderMap::from_iter([
            (header::ACCEPT_LANGUAGE, "da".parse().unwrap()),
            (header::COOKIE, format!("a=b; {COOKIE}=en").parse().unwrap()),
        ]);
        assert_eq!(Language::of(&headers), Language::English);
    }

    #[test]
    fn no_word_is_missing_in_either_language_and_what_is_put_in_stands_in_both() {
        for (key, english, danish) in KEYS {
            assert!(!english.is_empty() && !danish.is_empty(), "{key}");
            assert_eq!(english.matches("{}").count(), danish.matches("{}").count(), "{key}");
            assert_eq!(english.ends_with('.'), danish.ends_with('.'), "{key}");
        }
    }

    #[test]
    fn times_and_numbers_are_written_as_in_each_language() {
        let at = |text: &str| text.parse::<Moment>().unwrap();
        let now = at("2026-12-01T10:00:00");
        for (then, danish, english) in [
            ("2026-12-01T09:05:00", "09.05", "09:05"),
            ("2026-11-30T23:59:00", "30. nov. 23.59", "30 Nov 23:59"),
            ("2027-05-02T00:00:00", "2. maj 2027 00.00", "2 May 2027 00:00"),
        ] {
            assert_eq!(Language::Danish.time(at(then), now), danish);
            assert_eq!(Language::English.time(at(then), now), english);
        }
        assert_eq!(Language::Danish.number(1_234_567), "1.234.567");
        assert_eq!(Language::Danish.punctuated("1,603.00"), "1.603,00");
        let lasting = |seconds| Language::Danish.lasting(std::time::Duration::from_secs(seconds));
        assert_eq!([lasting(9), lasting(125), lasting(7_200), lasting(200_000)], ["9 s", "2 min", "2 t", "2 dage"]);
    }
}
