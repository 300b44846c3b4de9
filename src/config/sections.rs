//! From a parsed document to settings: which sections there are, which keys each takes, and the checks
//! that need more than one value. Finds everything that is wrong before it gives up.

mod alarm;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;
use toml::de::DeTable;

use super::files::Looked;
use super::key::{About, Given, Key, Section, SectionAbout, found, nearest, printable, quoted};
use super::mistake::Findings;
use super::table as keys;
use super::value::{Keep, SecretFile};
use super::{EndpointSettings, ExchangeSettings, Folders, PageSettings, Settings, StoreSettings, Written};
use crate::domain::identity::{EndpointName, ExchangeName};
use crate::domain::municipality::MunicipalityCode;
use crate::domain::retention::{Period, Periods};

/// Municipalities that one message names: enough to see which list is meant, short enough for a line.
const CODES_NAMED_MAX: usize = 3;

/// Reads a whole document. None: something was wrong; the findings say what.
pub(super) struct Document<'a, 'i, 't> {
    root: &'a DeTable<'i>,
    findings: &'a mut Findings<'t>,
    looked: Looked<'a>,
    /// Every folder so far, for the rule that none lies in another.
    folders: Vec<(PathBuf, String)>,
    /// Every exchange so far, for the rule that no two share a municipality on one endpoint.
    served: Vec<Served>,
}

/// Whose replies an exchange takes from an endpoint.
struct Served {
    /// Of the exchange.
    heading: String,
    endpoint: EndpointName,
    municipalities: Spanned<Vec<MunicipalityCode>>,
}

/// One named table of a section: `[endpoint.NAME]`.
struct Named<'a, 'i> {
    name: &'a str,
    name_span: Range<usize>,
    span: Range<usize>,
    table: &'a DeTable<'i>,
}

impl<'a, 'i, 't> Document<'a, 'i, 't> {
    pub fn new(root: &'a DeTable<'i>, findings: &'a mut Findings<'t>, looked: Looked<'a>) -> Self {
        Document { root, findings, looked, folders: Vec::new(), served: Vec::new() }
    }

    pub fn settings(mut self) -> Option<Settings> {
        self.check_section_names();
        let store = self.store();
        let folders = self.folders();
        let endpoints = self.endpoints();
        let retention = self.retention();
        let of_house = retention.unwrap_or_default();
        let exchanges = self.exchanges(folders.as_ref().map(|folders| folders.state.as_path()), &of_house);
        let calendar = self.calendar();
        let alarm = self.alarm();
        self.told_apart(endpoints.as_ref());
        let page = self.page();
        Some(Settings {
            store: store?,
            folders: folders?,
            endpoints: endpoints?,
            exchanges: exchanges?,
            calendar: calendar?,
            alarm: alarm?,
            page: page?,
            retention: retention?,
            notes: Vec::new(),
            written: Written::default(),
        })
    }

    fn check_section_names(&mut self) {
        for (key, _) in self.root.iter() {
            let name = key.get_ref().as_ref();
            if keys::SECTIONS.iter().any(|section| section.name == name) {
                continue;
            }
            let hint = match nearest(name, keys::SECTIONS.iter().map(|section| section.name)) {
                Some(near) => format!(", did you mean `{near}`?"),
                None => {
                    let headings: Vec<_> = keys::SECTIONS.iter().map(|section| section.heading()).collect();
                    format!(", expected one of {}", headings.join(", "))
                }
            };
            self.findings.mistake(key.span(), format!("unknown section `{}`{hint}", printable(name)));
        }
    }

    fn store(&mut self) -> Option<StoreSettings> {
        let mut section = self.single(&keys::STORE)?;
        let path = section.take(&keys::URL);
        let anchor = section.take_optional(&keys::ANCHOR);
        Some(StoreSettings { path: path?.into_inner(), anchor: anchor?.map(Spanned::into_inner) })
    }

    pub fn folders(&mut self) -> Option<Folders> {
        let looked = self.looked;
        let mut section = self.single(&keys::FOLDERS)?;
        let state = section.take(&keys::STATE);
        let run = section.take(&keys::RUN);
        if let Some(state) = &state {
            looked.private_folder(&mut section, &keys::STATE.about, state);
        }
        if let Some(run) = &run {
            looked.run_folder(&mut section, &keys::RUN.about, run);
        }
        let (about_state, about_run) = (&keys::STATE.about, &keys::RUN.about);
        self.apart(&keys::FOLDERS.heading(), about_state, state.as_ref());
        self.apart(&keys::FOLDERS.heading(), about_run, run.as_ref());
        Some(Folders { state: state?.into_inner(), run: run?.into_inner() })
    }

    fn endpoints(&mut self) -> Option<BTreeMap<EndpointName, EndpointSettings>> {
        let tables = self.named(&keys::ENDPOINT)?;
        let count = tables.len();
        let mut endpoints = BTreeMap::new();
        for named in tables {
            let name = self.name::<EndpointName>(&keys::ENDPOINT, &named);
            let endpoint = self.endpoint(named);
            endpoints.extend(name.zip(endpoint));
        }
        (endpoints.len() == count).then_some(endpoints)
    }

    fn endpoint(&mut self, named: Named<'a, 'i>) -> Option<EndpointSettings> {
        let looked = self.looked;
        let mut section = self.open(&keys::ENDPOINT, named);
        let host = section.take(&keys::HOST);
        let port = section.take(&keys::PORT);
        let user = section.take(&keys::USER);
        let identity = section.take(&keys::IDENTITY);
        let passphrase = section.take_optional(&keys::PASSPHRASE);
        let host_keys = section.take(&keys::HOST_KEYS);
        let out = section.take(&keys::OUT);
        let r#in = section.take(&keys::IN);
        let poll = section.take(&keys::POLL);
        let poll_within = section.take(&keys::POLL_WITHIN);
        let service_windows = section.take(&keys::SERVICE_WINDOWS);
        let trigger = section.take(&keys::TRIGGER);

        let mut secret = |about: &About, file: Spanned<SecretFile>| looked.secret(&mut section, about, file);
        let identity = identity.map(|file| secret(&keys::IDENTITY.about, file));
        let passphrase = passphrase.map(|file| file.map(|file| secret(&keys::PASSPHRASE.about, file)));
        if let Some(pins) = &host_keys
            && pins.get_ref().iter().any(|pin| pin.as_str().starts_with(keys::INVENTED))
        {
            let predicate = "holds an invented key of the shipped file, so the real server will be refused";
            section.note(&keys::HOST_KEYS.about, pins.span(), predicate);
        }
        if let (Some(out), Some(r#in)) = (&out, &r#in)
            && out.get_ref() == r#in.get_ref()
        {
            section.complain(&keys::IN.about, r#in.span(), "is the same folder as `out`, expected another one");
        }
        Some(EndpointSettings {
            host: host?.into_inner(),
            port: port?.into_inner(),
            user: user?.into_inner(),
            identity: identity?,
            passphrase: passphrase?,
            host_keys: host_keys?.into_inner(),
            out: out?.into_inner(),
            r#in: r#in?.into_inner(),
            poll: poll?.into_inner(),
            poll_within: poll_within?.into_inner(),
            service_windows: service_windows?.into_inner(),
            trigger: trigger?.into_inner(),
        })
    }

    /// The section may be missing: then everything is kept.
    fn retention(&mut self) -> Option<Periods> {
        if !self.root.contains_key(keys::RETENTION.name) {
            return Some(Periods::default());
        }
        let mut section = self.single(&keys::RETENTION)?;
        periods(&mut section, [&keys::ARCHIVE, &keys::JOURNAL, &keys::REGISTER], &Periods::default())
    }

    fn exchanges(
        &mut self,
        state: Option<&Path>,
        of_house: &Periods,
    ) -> Option<BTreeMap<ExchangeName, ExchangeSettings>> {
        let tables = self.named(&keys::EXCHANGE)?;
        let count = tables.len();
        let mut exchanges = BTreeMap::new();
        for named in tables {
            let name = self.name::<ExchangeName>(&keys::EXCHANGE, &named);
            let exchange = self.exchange(named, state, of_house);
            exchanges.extend(name.zip(exchange));
        }
        (exchanges.len() == count).then_some(exchanges)
    }

    fn exchange(&mut self, named: Named<'a, 'i>, state: Option<&Path>, of_house: &Periods) -> Option<ExchangeSettings> {
        let looked = self.looked;
        let known = self.endpoint_names();
        let heading = heading(&keys::EXCHANGE, named.name);
        let mut section = self.open(&keys::EXCHANGE, named);
        let endpoint = section.take(&keys::EXCHANGE_ENDPOINT);
        let transfer = section.take(&keys::TRANSFER);
        let recipient = section.take(&keys::RECIPIENT);
        let layouts = section.take_optional(&keys::LAYOUTS);
        let outbox = section.take(&keys::OUTBOX);
        let inbox = section.take(&keys::INBOX);
        let municipalities = section.take(&keys::MUNICIPALITIES);
        let settle = section.take(&keys::SETTLE);
        let unfit_after = section.take(&keys::UNFIT_AFTER);
        let receipt_within = section.take(&keys::RECEIPT_WITHIN);
        let reply_within = section.take(&keys::REPLY_WITHIN);
        let end_guard = section.take(&keys::END_GUARD);
        let amount_guard = section.take(&keys::AMOUNT_GUARD);
        let hand_over_command = section.take(&keys::HAND_OVER_COMMAND);
        let own = [&keys::KEEP_ARCHIVE, &keys::KEEP_JOURNAL, &keys::KEEP_REGISTER];
        let retention = periods(&mut section, own, of_house);

        if let Some(endpoint) = &endpoint
            && !known.contains(endpoint.get_ref().as_str())
        {
            refer(&mut section, endpoint, &known);
        }
        if let (Some(settle), Some(unfit_after)) = (&settle, &unfit_after)
            && unfit_after.get_ref() <= settle.get_ref()
        {
            let predicate = format!("is not longer than `settle`, expected {}", keys::UNFIT_AFTER.about.expected);
            section.complain(&keys::UNFIT_AFTER.about, unfit_after.span(), &predicate);
        }
        if let Some(Some(layouts)) = &layouts {
            looked.layouts(&mut section, &keys::LAYOUTS.about, layouts);
        }
        if let Some(outbox) = &outbox {
            looked.shared_folder(&mut section, &keys::OUTBOX.about, outbox);
            looked.one_mount(&mut section, &keys::OUTBOX.about, outbox, state);
        }
        if let Some(inbox) = &inbox {
            looked.shared_folder(&mut section, &keys::INBOX.about, inbox);
        }
        self.apart(&heading, &keys::OUTBOX.about, outbox.as_ref());
        self.apart(&heading, &keys::INBOX.about, inbox.as_ref());
        if let (Some(endpoint), Some(municipalities)) = (&endpoint, &municipalities) {
            let (endpoint, municipalities) = (endpoint.get_ref().clone(), municipalities.clone());
            self.served.push(Served { heading, endpoint, municipalities });
        }
        transfer?;
        Some(ExchangeSettings {
            endpoint: endpoint?.into_inner(),
            recipient: recipient?.into_inner(),
            layouts: layouts?.map(Spanned::into_inner),
            outbox: outbox?.into_inner(),
            inbox: inbox?.into_inner(),
            municipalities: municipalities?.into_inner(),
            settle: settle?.into_inner(),
            unfit_after: unfit_after?.into_inner(),
            receipt_within: receipt_within?.into_inner(),
            reply_within: reply_within?.into_inner(),
            end_guard: end_guard?.into_inner(),
            amount_guard: amount_guard?.into_inner(),
            hand_over_command: hand_over_command?.into_inner(),
            retention: retention?,
        })
    }

    /// Inside, None: there is to be no page.
    fn page(&mut self) -> Option<Option<PageSettings>> {
        let looked = self.looked;
        if self.root.get(keys::PAGE.name).is_none() {
            return Some(None);
        }
        let mut section = self.single(&keys::PAGE)?;
        let listen = section.take_optional(&keys::LISTEN);
        let token = section.take_optional(&keys::TOKEN);
        if let (Some(Some(listen)), Some(None)) = (&listen, &token)
            && !listen.get_ref().is_local()
        {
            let predicate = "is an address that other machines reach, expected a `token` beside it";
            section.complain(&keys::LISTEN.about, listen.span(), predicate);
        }
        let token = token?.map(|file| looked.secret(&mut section, &keys::TOKEN.about, file));
        Some(listen?.map(|listen| PageSettings { listen: listen.into_inner(), token }))
    }

    /// The names that an exchange may refer to, also of endpoints that have mistakes of their own.
    fn endpoint_names(&self) -> BTreeSet<&'a str> {
        let table = self.root.get(keys::ENDPOINT.name).and_then(|endpoints| endpoints.get_ref().as_table());
        table.into_iter().flat_map(|table| table.iter().map(|(name, _)| name.get_ref().as_ref())).collect()
    }

    /// Complains if a folder is one of the earlier ones, or lies in one, or one in it.
    fn apart(&mut self, heading: &str, about: &About, folder: Option<&Spanned<PathBuf>>) {
        let Some(folder) = folder else { return };
        let (path, span) = (folder.get_ref(), folder.span());
        let owner = format!("`{}` in {heading}", about.name);
        for (other, others) in &self.folders {
            let relation = match (path == other, path.starts_with(other), other.starts_with(path)) {
                (true, ..) => "is the same folder as",
                (_, true, _) => "lies inside",
                (_, _, true) => "contains",
                _ => continue,
            };
            let message = format!("`{}` {relation} {others}, expected a folder of its own (in {heading})", about.name);
            self.findings.mistake(span.clone(), message);
        }
        self.folders.push((path.clone(), owner));
    }

    /// Complains about every two exchanges that share a municipality on one endpoint, or on two that look into the
    /// same folder, where the later one names it.
    fn told_apart(&mut self, endpoints: Option<&BTreeMap<EndpointName, EndpointSettings>>) {
        let place = |endpoint: &EndpointName| {
            let of = endpoints?.get(endpoint)?;
            Some((of.host.to_ascii_lowercase(), of.port, &of.user, &of.r#in))
        };
        let is_one_place = |one: &EndpointName, other: &EndpointName| {
            one == other || place(one).is_some_and(|place_of_one| place(other) == Some(place_of_one))
        };
        // The tables come by name; a mistake belongs to the one that was written later.
        self.served.sort_by_key(|served| served.municipalities.span().start);
        for (index, later) in self.served.iter().enumerate() {
            let (codes, span) = (later.municipalities.get_ref(), later.municipalities.span());
            for earlier in
                self.served[..index].iter().filter(|earlier| is_one_place(&earlier.endpoint, &later.endpoint))
            {
                let same = match earlier.endpoint == later.endpoint {
                    true => "endpoint",
                    false => "server, user and folder",
                };
                let earlier_codes = earlier.municipalities.get_ref();
                let shared: Vec<_> = codes.iter().copied().filter(|code| earlier_codes.contains(code)).collect();
                if shared.is_empty() {
                    continue;
                }
                let message = format!(
                    "`{}` holds {}, as in {} on the same {same}: their replies could not be told apart, expected each \
                     municipality in one exchange of an endpoint (in {})",
                    keys::MUNICIPALITIES.about.name,
                    some_of(&shared),
                    earlier.heading,
                    later.heading
                );
                self.findings.mistake(span.clone(), message);
            }
        }
    }

    /// The one table `[store]` or `[folders]`.
    fn single(&mut self, about: &'static SectionAbout) -> Option<Section<'_, 'i, 't>> {
        let Some((key, given)) = self.root.get_key_value(about.name) else {
            self.findings.missing(None, format!("missing section {}", about.heading()));
            return None;
        };
        let Some(table) = given.get_ref().as_table() else {
            self.not_a_table(about, key.span(), given);
            return None;
        };
        let span = given.span();
        Some(Section::open(about, &keys::SECTIONS, about.heading(), span, table, self.findings))
    }

    /// All tables `[endpoint.NAME]`; at least one is expected.
    fn named(&mut self, about: &'static SectionAbout) -> Option<Vec<Named<'a, 'i>>> {
        let Some((key, given)) = self.root.get_key_value(about.name) else {
            self.findings.missing(None, format!("missing section {}, expected at least one", about.heading()));
            return None;
        };
        let Some(tables) = given.get_ref().as_table() else {
            self.not_a_table(about, key.span(), given);
            return None;
        };
        if tables.is_empty() {
            let message = format!("[{}] is empty, expected at least one {}", about.name, about.heading());
            self.findings.missing(Some(given.span()), message);
        }
        let mut named = Vec::new();
        let mut strays = false;
        for (name, given) in tables.iter() {
            match given.get_ref().as_table() {
                Some(table) => {
                    named.push(Named { name: name.get_ref(), name_span: name.span(), span: given.span(), table });
                }
                None => {
                    strays = true;
                    let (name, found) = (printable(name.get_ref()), found(given.get_ref()));
                    let message = format!("`{name}` in [{}] is {found}, expected {}", about.name, about.heading());
                    self.findings.mistake(given.span(), message);
                }
            }
        }
        (!strays && !named.is_empty()).then_some(named)
    }

    fn not_a_table(&mut self, about: &SectionAbout, span: Range<usize>, given: &Given<'_>) {
        let message = format!("`{}` is {}, expected {}", about.name, found(given.get_ref()), about.heading());
        self.findings.mistake(span, message);
    }

    fn open(&mut self, about: &'static SectionAbout, named: Named<'a, 'i>) -> Section<'_, 'i, 't> {
        let heading = heading(about, named.name);
        Section::open(about, &keys::SECTIONS, heading, named.span, named.table, self.findings)
    }

    fn name<T: FromStr>(&mut self, about: &SectionAbout, named: &Named<'_, '_>) -> Option<T> {
        let name = named.name.parse().ok();
        if name.is_none() {
            let message = format!(
                "the name {} in {} is not fit, expected 1 to 32 characters out of a-z, 0-9 and -",
                quoted(named.name),
                heading(about, named.name)
            );
            self.findings.mistake(named.name_span.clone(), message);
        }
        name
    }
}

/// Archive, journal and register, by their keys; what is not there is as the house has it.
fn periods(section: &mut Section<'_, '_, '_>, of_keys: [&'static Key<Keep>; 3], of_house: &Periods) -> Option<Periods> {
    let defaults = [of_house.archive, of_house.journal, of_house.register];
    let mut spans = [const { None }; 3];
    let mut kept: [Option<Period>; 3] = defaults;
    for (number, key) in of_keys.into_iter().enumerate() {
        if let Some(given) = section.take_optional(key)? {
            spans[number] = Some(given.span());
            kept[number] = match given.into_inner() {
                Keep::ForEver => None,
                Keep::For(period) => Some(period),
            };
        }
    }
    let [archive, journal, register] = kept;
    for (number, longer) in [(1, journal), (2, register)] {
        let (Some(longer), Some(span)) = (longer, spans[number].clone().or(spans[0].clone())) else { continue };
        if archive.is_none_or(|archive| !longer.is_at_least(archive)) {
            let (files, about) = (&of_keys[0].about, &of_keys[number].about);
            let kept = archive.map_or("which is for ever".to_owned(), |archive| format!("which is {archive}"));
            let predicate =
                format!("is {longer}, and shorter than `{}`, {kept}: expected the same or longer", files.name);
            section.complain(about, span, &predicate);
        }
    }
    Some(Periods { archive, journal, register })
}

fn heading(about: &SectionAbout, name: &str) -> String {
    format!("[{}.{}]", about.name, printable(name))
}

/// The first few codes, and how many more there are.
fn some_of(codes: &[MunicipalityCode]) -> String {
    let named: Vec<_> = codes.iter().take(CODES_NAMED_MAX).map(|code| format!("\"{code}\"")).collect();
    let named = named.join(", ");
    match codes.len().saturating_sub(CODES_NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Complains about an endpoint that is not there.
fn refer(section: &mut Section<'_, '_, '_>, endpoint: &Spanned<EndpointName>, known: &BTreeSet<&str>) {
    let hint = match nearest(endpoint.get_ref().as_str(), known.iter().copied()) {
        Some(near) => format!(", did you mean {}?", quoted(near)),
        None => format!(", expected {}", keys::EXCHANGE_ENDPOINT.about.expected),
    };
    let predicate = format!("refers to [endpoint.{}], which is not there{hint}", endpoint.get_ref());
    section.complain_unless_broken(&keys::EXCHANGE_ENDPOINT.about, endpoint.span(), &predicate);
}
