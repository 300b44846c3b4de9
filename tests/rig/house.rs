//! A ground to try the daemon on: folders and a settings file as on a municipality's server, one or two far sides,
//! and the questions that a test asks of journal, register, outbox and inbox. Start with [`Ground::lay`].

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use jiff::civil::{Date, date};
use sluse::domain::agreement::{Agreement, AgreementKey};
use sluse::domain::exchange::{Book, Exchange, Fact, Origin};
use sluse::domain::identity::{DeliveryNumber, FileId};
use sluse::domain::layout::Layout;
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::query::{QueryOrder, compose_query};
use sluse::engine::control::{Answer, Request};
use sluse::engine::decide::{Ask, Verdict};
use sluse::engine::offline::fold;
use sluse::engine::snapshot::{EndpointLine, HeldItem, Snapshot};
use sluse::outbox::Waiting;
use sluse::store::{Body, Question, Reading, SqliteReader};
use tempfile::TempDir;

use super::daemon::Daemon;
use super::evidence::{Chapter, Row};
use super::far::{DEBITOR, Far, FarPlan};
use super::leaks::{plant, said};
use super::users::User;
use super::wait::until_within;

/// A whole round takes seconds; on a loaded machine, or after a connection that nobody answered, more.
const ROUND_WITHIN: Duration = Duration::from_secs(90);

/// The people of so many rounds are not to be named by anything that is said; later rounds have hardly any others.
const ROUNDS_PLANTED: u32 = 4;

/// One endpoint and the exchange that travels by it.
pub struct Side {
    pub far: Far,
    pub municipalities: Vec<MunicipalityCode>,
    pub poll: &'static str,
    /// Where the daemon is sent: the server's, or that of a proxy before it.
    pub port: u16,
    /// The pinned fingerprints.
    pub host_keys: Vec<String>,
    /// More lines for the endpoint's section, and for the exchange's.
    pub endpoint_lines: Vec<String>,
    pub exchange_lines: Vec<String>,
    folder: PathBuf,
}

/// Everything that one daemon stands on.
pub struct Ground {
    // Before the folder, so that nothing writes there any more when it is removed.
    pub sides: Vec<Side>,
    /// More of the settings, behind everything else.
    sections: String,
    folder: TempDir,
    deliveries: Cell<u32>,
    /// Every file that was put into an outbox, by name.
    delivered: RefCell<Vec<String>>,
}

/// The payment date of a round: each in a month of its own.
pub fn payment_date(round: u32) -> Date {
    let month = i8::try_from(round).expect("a test has few rounds");
    date(2031, month, 27)
}

/// The names in a folder; none if there is no such folder.
pub fn sorted_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

impl Ground {
    /// A ground with one far side, for these municipalities.
    pub fn lay(municipalities: &[&str], plan: FarPlan) -> Ground {
        let folder = TempDir::with_prefix("sluse-ground-").expect("a temporary directory can be made");
        let mut ground = Ground {
            sides: Vec::new(),
            sections: String::new(),
            folder,
            deliveries: Cell::new(0),
            delivered: RefCell::default(),
        };
        for name in ["state", "run"] {
            make_folder(&ground.path(name));
        }
        ground.add_side(municipalities, plan);
        ground
    }

    /// One more endpoint, with an exchange of its own.
    pub fn add_side(&mut self, municipalities: &[&str], plan: FarPlan) {
        let folder = self.path(&format!("side-{}", self.sides.len()));
        for name in ["hub", "outbox", "inbox"] {
            make_folder(&folder.join(name));
        }
        let hub = plan.folder.clone().unwrap_or_else(|| folder.join("hub"));
        let far = Far::start(&hub, plan);
        for code in municipalities {
            let code = code.parse().expect("a code of the table");
            let pages = (1..=ROUNDS_PLANTED).flat_map(|round| far.book.at(code, round));
            plant(pages.filter_map(|agreement| agreement.payer?.digits().parse().ok()));
        }
        self.sides.push(Side {
            municipalities: municipalities.iter().map(|code| code.parse().expect("a code of the table")).collect(),
            poll: "1s",
            port: far.sshd.port(),
            host_keys: far.sshd.host_keys().iter().map(|key| key.fingerprint()).collect(),
            endpoint_lines: Vec::new(),
            exchange_lines: Vec::new(),
            far,
            folder,
        });
    }

    /// The first far side.
    pub fn far(&self) -> &Far {
        &self.sides[0].far
    }

    pub fn far_mut(&mut self) -> &mut Far {
        &mut self.sides[0].far
    }

    /// The first municipality.
    pub fn municipality(&self) -> MunicipalityCode {
        self.sides[0].municipalities[0]
    }

    /// A path on the ground.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn outbox(&self, municipality: MunicipalityCode) -> PathBuf {
        self.side_of(municipality).folder.join("outbox").join(municipality.to_string())
    }

    pub fn inbox(&self, municipality: MunicipalityCode) -> PathBuf {
        self.side_of(municipality).folder.join("inbox").join(municipality.to_string())
    }

    // The daemon.

    /// Writes the settings as they are now and starts the daemon.
    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// The same with more in the environment.
    pub fn start_with(&self, environment: &[(&str, String)]) -> Daemon {
        Daemon::start(&self.write_settings(), &self.path("daemon.log"), environment)
    }

    /// Gives all of the ground to its users, as the shipped systemd files do, and starts the daemon as one of them.
    /// What the far side is made of stays the tester's.
    pub fn start_as_sluse(&self) -> Daemon {
        let config = self.write_settings();
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
        // They may pass through, and run the program, wherever cargo has put it
        open(&self.path(""), 0o711);
        // By another process: a file that this one holds open for writing, and with it each child that another test is
        // just starting, cannot be run.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_sluse")).arg(self.path("sluse")).status();
        assert!(copied.expect("cp is everywhere").success(), "there is room for the program");
        open(&config, 0o644);
        for (name, mode) in [("state", 0o700), ("run", 0o750)] {
            User::SLUSE.gets(&self.path(name), false);
            open(&self.path(name), mode);
        }
        for side in &self.sides {
            open(&side.folder, 0o711);
            for (name, mode) in [("outbox", 0o2770), ("inbox", 0o2750)] {
                User::SLUSE.gets(&side.folder.join(name), true);
                open(&side.folder.join(name), mode);
            }
            open(side.far.sshd.scratch(), 0o711);
            User::SLUSE.gets(&side.far.sshd.client_key().path, false);
        }
        Daemon::start_by(User::SLUSE.command(self.path("sluse")), &config, &self.path("daemon.log"), &[])
    }

    /// Adds lines to the settings, such as a section of its own; `{run}` is the run folder.
    pub fn add_settings(&mut self, lines: &str) {
        let lines = lines.replace("{run}", &self.path("run").display().to_string());
        self.sections.push_str(&format!("\n{lines}"));
    }

    /// The same in the place of all that was added before.
    pub fn replace_settings(&mut self, lines: &str) {
        self.sections.clear();
        self.add_settings(lines);
    }

    /// The settings as they are now, where commands and daemon read them; returns the file's path.
    pub fn write_settings(&self) -> PathBuf {
        let config = self.path("sluse.toml");
        fs::write(&config, self.settings()).expect("the temporary directory is ours");
        config
    }

    /// Runs a command on this ground's settings to its end. What it prints must name nobody.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let output = self.command_that_may_name(arguments);
        said("output", &[&output.stdout[..], &output.stderr[..]].concat());
        output
    }

    /// The same of a command that was asked to name people in full.
    pub fn command_that_may_name(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluse"));
        command.arg("--config").arg(self.path("sluse.toml")).args(arguments).env_remove("SLUSE_LOG");
        command.output().expect("cargo has built the binary")
    }

    fn settings(&self) -> String {
        let mut text = format!(
            "[store]\nurl = \"sqlite:{state}/sluse.db\"\n\n[folders]\nstate = \"{state}\"\nrun = \"{run}\"\n",
            state = self.path("state").display(),
            run = self.path("run").display(),
        );
        for (number, side) in self.sides.iter().enumerate() {
            let sshd = &side.far.sshd;
            let codes: Vec<_> = side.municipalities.iter().map(|code| format!("\"{code}\"")).collect();
            let (folder, codes) = (side.folder.display(), codes.join(", "));
            text += &format!(
                r#"
[endpoint.hub-{number}]
host = "{host}"
port = {port}
user = "{user}"
identity = "{key}"
host_keys = {pins:?}
poll = "{poll}"
service_windows = []
{endpoint_lines}

[exchange.sf2530-{number}]
endpoint = "hub-{number}"
recipient = "{DEBITOR}"
outbox = "{folder}/outbox"
inbox = "{folder}/inbox"
municipalities = [{codes}]
{exchange_lines}
"#,
                host = sshd.host(),
                port = side.port,
                user = sshd.user(),
                key = sshd.client_key().path.display(),
                pins = side.host_keys,
                poll = side.poll,
                endpoint_lines = side.endpoint_lines.join("\n"),
                exchange_lines = side.exchange_lines.join("\n"),
            );
        }
        text + "\n" + &self.sections
    }

    // The benefit system.

    /// A fit query, its delivery number used by no other of this ground; and the name that goes with it.
    pub fn compose(&self, municipality: MunicipalityCode, payment_date: Date) -> (String, Vec<u8>) {
        let delivery = self.deliveries.get() + 1;
        self.deliveries.set(delivery);
        let order = QueryOrder {
            municipality,
            created: date(2026, 1, 5).at(9, 30, 0, 0),
            delivery: DeliveryNumber(delivery),
            payment_date,
        };
        let bytes = compose_query(&Layout::shipped_query(), &order).expect("the shipped layout can say this");
        (format!("BETADM_FORESP_{municipality}_20260105_{delivery:04}.txt"), bytes)
    }

    /// Puts a file into the outbox as a careful writer does: under a dot name, then renamed. The folder is made by the
    /// daemon, so it is waited for.
    pub fn deliver(&self, municipality: MunicipalityCode, name: &str, bytes: &[u8]) {
        let folder = self.outbox(municipality);
        until_within(ROUND_WITHIN, "the outbox folder", || folder.is_dir().then_some(()));
        let part = folder.join(format!(".{name}"));
        fs::write(&part, bytes).expect("the outbox is ours");
        fs::rename(part, folder.join(name)).expect("the outbox is ours");
        self.delivered.borrow_mut().push(name.to_owned());
    }

    /// Composes a query and puts it into the outbox.
    pub fn ask_for(&self, municipality: MunicipalityCode, payment_date: Date) {
        let (name, bytes) = self.compose(municipality, payment_date);
        self.deliver(municipality, &name, &bytes);
    }

    /// What lies in the inbox: replies, change lists, and anything else, part files too.
    pub fn in_inbox(&self, municipality: MunicipalityCode) -> InInbox {
        let mut inbox = InInbox::default();
        for name in sorted_names(&self.inbox(municipality)) {
            match name.rsplit_once('.') {
                _ if name.starts_with('.') => inbox.others.push(name),
                Some((_, "txt")) => inbox.replies.push(name),
                Some((_, "csv")) => inbox.change_lists.push(name),
                _ => inbox.others.push(name),
            }
        }
        inbox
    }

    // The journal.

    fn reader(&self) -> Option<SqliteReader> {
        let path = self.path("state/sluse.db");
        path.exists().then(|| SqliteReader::open(&path).ok()).flatten()
    }

    /// The journal, folded; empty before there is one.
    pub fn book(&self) -> Book {
        // Between the file's making and its first table there is nothing to read yet.
        self.reader().and_then(|reader| fold(&reader).ok()).unwrap_or_default()
    }

    /// A municipality's exchanges, in the order of their beginning.
    pub fn exchanges(&self, municipality: MunicipalityCode) -> Vec<Exchange> {
        let book = self.book();
        let mut found: Vec<_> = book.all().filter(|e| e.route.municipality == municipality).cloned().collect();
        found.sort_by_key(|exchange| (exchange.begun, exchange.id));
        found
    }

    /// All facts of a municipality, in the order of the journal.
    pub fn facts(&self, municipality: MunicipalityCode) -> Vec<Fact> {
        let ids: Vec<FileId> = self.exchanges(municipality).iter().map(|exchange| exchange.id).collect();
        let mut facts = Vec::new();
        let Some(reader) = self.reader() else { return facts };
        let read = reader.entries(0, &mut |entry| match entry.body {
            Body::Exchange { id, fact } if ids.contains(&id) => facts.push(fact),
            _ => {}
        });
        read.expect("the journal's chain holds");
        facts
    }

    /// How often a fact of this name happened.
    pub fn count_of(&self, municipality: MunicipalityCode, fact: &str) -> usize {
        self.facts(municipality).iter().filter(|happened| happened.name() == fact).count()
    }

    /// Waits for a fact.
    pub fn until_fact(&self, municipality: MunicipalityCode, fact: &str) {
        until_within(ROUND_WITHIN, &format!("{fact} of {municipality}"), || {
            (self.count_of(municipality, fact) > 0).then_some(())
        });
    }

    /// Waits until the municipality has `count` exchanges and the last of them is in this state, by its name; one that is
    /// on its way to be refused or rejected has that name too, and is waited for.
    pub fn until_state(&self, municipality: MunicipalityCode, count: usize, state: &str) -> Exchange {
        let mut found = String::new();
        let mut look = || {
            let exchanges = self.exchanges(municipality);
            let now: Vec<_> = exchanges.iter().map(|exchange| exchange.state.name()).collect();
            if found != now.join(", ") {
                found = now.join(", ");
                eprintln!("{municipality}: {found}");
            }
            let last =
                exchanges.last().filter(|exchange| exchange.state.name() == state && exchanges.len() == count)?;
            let is_there = last.state.is_final() || !["refused", "rejected", "withdrawn"].contains(&state);
            is_there.then(|| last.clone())
        };
        until_within(ROUND_WITHIN, &format!("exchange {count} of {municipality} to be {state}"), &mut look)
    }

    // The register.

    /// What the register answers, by key.
    pub fn register(&self, question: Question) -> BTreeMap<AgreementKey, Agreement> {
        let mut found = BTreeMap::new();
        if let Some(reader) = self.reader() {
            let each = &mut |answer: sluse::store::Answer| {
                found.insert(answer.agreement.key.clone(), answer.agreement);
            };
            reader.register(&question, each).expect("the register can be read");
        }
        found
    }

    /// Compares the register of a municipality with the page of UDK Debitor's book.
    pub fn assert_register(&self, municipality: MunicipalityCode, round: u32) {
        let question = Question { municipality: Some(municipality), ..Question::default() };
        self.assert_answer(question, self.page(municipality, round));
    }

    /// A page of UDK Debitor's book, by key.
    pub fn page(&self, municipality: MunicipalityCode, round: u32) -> BTreeMap<AgreementKey, Agreement> {
        let page = self.side_of(municipality).far.book.at(municipality, round);
        page.into_iter().map(|agreement| (agreement.key.clone(), agreement)).collect()
    }

    pub fn assert_answer(&self, question: Question, expected: BTreeMap<AgreementKey, Agreement>) {
        let asked = format!("{question:?}");
        let found = self.register(question);
        assert_eq!(found.len(), expected.len(), "how many agreements the register answers to {asked}");
        assert!(found == expected, "the register's answer to {asked} is not what UDK sent");
    }

    /// That each query of these payment dates reached UDK once, and what came of it stands once in inbox, journal and
    /// register.
    pub fn assert_once(&self, municipality: MunicipalityCode, rounds: u32) {
        let far = &self.side_of(municipality).far;
        for round in 1..=rounds {
            assert_eq!(far.count(municipality, payment_date(round)), 1, "queries that UDK counted for round {round}");
        }
        far.assert_each_trigger_once();
        let inbox = self.in_inbox(municipality);
        assert_eq!(inbox.replies.len(), rounds as usize, "{inbox:?}");
        assert_eq!(inbox.change_lists.len(), rounds as usize, "{inbox:?}");
        assert!(inbox.others.is_empty(), "{inbox:?}");
        assert_eq!(self.count_of(municipality, "applied"), rounds as usize, "replies applied");
        self.assert_register(municipality, rounds);
    }

    /// What has come of everything so far, measured on both sides: a row of the evidence. A query is lost if it is
    /// neither in the outbox nor known to the journal, a reply if a done exchange's register or inbox does not
    /// show it; doubled is what the far side saw twice, or the inbox holds twice.
    pub fn came_of(&self, chapter: Chapter, fault: &str) -> Row {
        let book = self.book();
        let known: BTreeSet<String> =
            book.all().filter_map(|exchange| Some(exchange.query()?.original_name.clone())).collect();
        let unfit: BTreeSet<String> = book
            .all()
            .filter_map(|exchange| match &exchange.origin {
                Origin::Unfit(unfit) => Some(unfit.original_name.clone()),
                Origin::Query(_) | Origin::Reply => None,
            })
            .collect();
        let mut row = Row { outcome: outcome_of(&book), ..Row::once(chapter, fault, "") };
        row.persons = u64::from(book.waiting_for_person().next().is_some());
        let waits = |name: &String| {
            self.sides.iter().any(|side| side.municipalities.iter().any(|code| self.outbox(*code).join(name).exists()))
        };
        row.lost += count(
            self.delivered
                .borrow()
                .iter()
                .filter(|name| !known.contains(*name) && !unfit.contains(*name) && !waits(name)),
        );
        for side in &self.sides {
            row.doubled += side.far.triggers_seen_twice();
            for municipality in &side.municipalities {
                let of_it = || book.all().filter(|exchange| exchange.route.municipality == *municipality);
                let done = count(of_it().filter(|exchange| exchange.state.name() == "done"));
                let inbox = self.in_inbox(*municipality);
                row.lost += done.saturating_sub(inbox.replies.len() as u64);
                row.doubled += (inbox.replies.len() as u64).saturating_sub(done);
                let rounds = u32::try_from(done).expect("a test has few rounds");
                let all_done = rounds > 0 && of_it().all(|exchange| exchange.state.name() == "done");
                let question = Question { municipality: Some(*municipality), ..Question::default() };
                row.lost += u64::from(all_done && self.register(question) != self.page(*municipality, rounds));
            }
        }
        row
    }

    // The person.

    /// Asks the daemon as a command does.
    pub fn ask(&self, request: &Request) -> Answer {
        self.hand_in(request).answer()
    }

    /// Asks the daemon, and does not wait for its answer yet.
    pub fn hand_in(&self, request: &Request) -> Asked {
        let mut stream = UnixStream::connect(self.path("run/control.sock")).expect("the daemon runs");
        let mut line = serde_json::to_vec(request).unwrap();
        line.push(b'\n');
        stream.write_all(&line).unwrap();
        Asked { stream }
    }

    /// What lies in the outboxes and is not taken.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.status().outbox
    }

    pub fn status(&self) -> Snapshot {
        match self.ask(&Request::Status) {
            Answer::Status(snapshot) => snapshot,
            answer => panic!("{answer:?}"),
        }
    }

    /// What keeps a municipality's foremost exchange from its next step, as `status` says it.
    pub fn trouble_of(&self, municipality: MunicipalityCode) -> Option<String> {
        match self.ask(&Request::Status) {
            Answer::Status(snapshot) => {
                let route = snapshot.routes.iter().find(|route| route.municipality == municipality)?;
                route.foremost()?.trouble.clone()
            }
            answer => panic!("{answer:?}"),
        }
    }

    /// What keeps the daemon from listing IN of an endpoint, as `status` says it, and what lies there and is not taken.
    pub fn endpoint_line(&self, side: usize) -> EndpointLine {
        match self.ask(&Request::Status) {
            Answer::Status(snapshot) => {
                let name = format!("hub-{side}");
                let found = snapshot.endpoints.into_iter().find(|endpoint| endpoint.name.to_string() == name);
                found.expect("every endpoint is told of")
            }
            answer => panic!("{answer:?}"),
        }
    }

    /// What waits for a person.
    pub fn held(&self) -> Vec<HeldItem> {
        match self.ask(&Request::Held) {
            Answer::Held { items } => items,
            answer => panic!("{answer:?}"),
        }
    }

    /// The one thing that waits for a person.
    pub fn held_one(&self) -> HeldItem {
        let mut held = self.held();
        assert_eq!(held.len(), 1, "{held:?}");
        held.remove(0)
    }

    /// Decides on what `held` showed; returns the state that it came to.
    pub fn decide(&self, item: &HeldItem, verdict: Verdict) -> String {
        match self.try_to_decide(item, verdict) {
            Answer::Decided { state, .. } => state,
            answer => panic!("{verdict:?} was not taken: {answer:?}"),
        }
    }

    pub fn try_to_decide(&self, item: &HeldItem, verdict: Verdict) -> Answer {
        let (id, seen) = (item.id.to_string(), Some(item.seen.clone()));
        self.ask(&Request::Decide(Ask { id, verdict, reason: "agreed by telephone".into(), seen }))
    }

    fn side_of(&self, municipality: MunicipalityCode) -> &Side {
        let side = self.sides.iter().find(|side| side.municipalities.contains(&municipality));
        side.expect("a municipality of this ground")
    }
}

/// A request that the daemon has.
pub struct Asked {
    stream: UnixStream,
}

impl Asked {
    /// Waits for it.
    pub fn answer(self) -> Answer {
        let mut answer = String::new();
        BufReader::new(self.stream).read_line(&mut answer).unwrap();
        said("answer", answer.as_bytes());
        serde_json::from_str(&answer).unwrap_or_else(|why| panic!("the answer {answer:?}: {why}"))
    }
}

/// What lies in a municipality's inbox.
#[derive(Debug, Default)]
pub struct InInbox {
    pub replies: Vec<String>,
    pub change_lists: Vec<String>,
    pub others: Vec<String>,
}

fn count<T>(those: impl Iterator<Item = T>) -> u64 {
    those.count() as u64
}

/// Where all exchanges stand, as Sluse says it: `2 done, 1 held`.
fn outcome_of(book: &Book) -> String {
    let mut states = BTreeMap::<&str, u64>::new();
    book.all().for_each(|exchange| *states.entry(exchange.state.name()).or_default() += 1);
    match states.iter().map(|(state, number)| format!("{number} {state}")).collect::<Vec<_>>() {
        only if only.len() == 1 && states.values().all(|number| *number == 1) => states.keys().copied().collect(),
        several => several.join(", "),
    }
}

fn make_folder(path: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).expect("the temporary directory is ours");
}
