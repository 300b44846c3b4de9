//! `sluse check --sample FILE`: a file that somebody else has made, read by the layouts of the settings as the daemon would
//! read it: is the layout the one that the far side uses? Sends, claims and stores nothing. Start with [`read`].

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::text::{count, municipality, paragraph, printable};
use super::{Failure, Found, write_out};
use crate::config::Settings;
use crate::domain::identity::ExchangeName;
use crate::domain::layout::{Layout, Unfit};
use crate::domain::municipality::MunicipalityCode;
use crate::domain::person::mask_in_text;
use crate::domain::query::read_query;
use crate::domain::reply::{ReplyReader, duplicate_key};
use crate::durable::RealDisk;
use crate::engine::site::layouts;

/// A sample is read into memory; a municipality's reply has some megabytes at the most.
const SAMPLE_BYTES_MAX: u64 = 256 << 20;

/// The layouts of one exchange of the settings.
struct Laid<'s> {
    exchange: &'s ExchangeName,
    query: Layout,
    reply: Layout,
}

/// Says of each file what it is, or the first rule that it breaks. `said` of the settings goes before.
pub fn read(settings: &Settings, said: &str, files: &[PathBuf], out: &mut dyn Write) -> Result<Found, Failure> {
    let laid = settings.exchanges.iter().map(|(exchange, of)| {
        let (query, reply) = layouts(&RealDisk, of.layouts.as_deref()).map_err(|e| Failure::Usage(e.to_string()))?;
        Ok(Laid { exchange, query, reply })
    });
    let laid = laid.collect::<Result<Vec<_>, Failure>>()?;
    let mut shown = said.to_owned();
    let mut found = Found::Fine;
    for file in files {
        let bytes = bytes_of(file).map_err(|e| Failure::Wrong(format!("cannot read {}: {e}", file.display())))?;
        // Somebody has chosen the name, and it may hold anything.
        let name = mask_in_text(&printable(&file.display().to_string()));
        match told(&laid, file, &bytes) {
            Ok(what) => shown += &paragraph("ok: ", &format!("{name}: {what}")),
            Err(why) => {
                found = Found::Wrong;
                shown += &paragraph("UNFIT: ", &format!("{name}: {why}"));
            }
        }
    }
    write_out(out, &shown)?;
    Ok(found)
}

fn bytes_of(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(SAMPLE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SAMPLE_BYTES_MAX {
        return Err(io::Error::other("it is longer than 256 MiB, which is no sample"));
    }
    Ok(bytes)
}

/// What the file is by the layouts that its name is of. Errors: what is wrong with it, by each of them.
fn told(laid: &[Laid<'_>], file: &Path, bytes: &[u8]) -> Result<String, String> {
    let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let mut fit = Vec::new();
    let mut wrong = Vec::new();
    for Laid { exchange, query, reply } in laid {
        let route = |layout: &Layout| layout.file_name().read(&name).map(|named| named.municipality);
        let as_query = route(query).map(|route| ("query", as_query(query, &name, bytes, route)));
        let as_reply = route(reply).map(|route| ("reply", as_reply(reply, bytes, route)));
        for (kind, read) in as_query.into_iter().chain(as_reply) {
            match read {
                Ok(what) => fit.push(format!("a {kind} of exchange {exchange} for {what}")),
                Err(unfit) => wrong.push(format!("no fit {kind} of exchange {exchange}: {unfit}")),
            }
        }
    }
    match (fit.is_empty(), wrong.is_empty()) {
        (false, _) => Ok(fit.join("; ")),
        (true, false) => Err(wrong.join("; ")),
        (true, true) => Err("its name is of no layout's `file_name`, so nobody knows what it is to be".to_owned()),
    }
}

fn as_query(layout: &Layout, name: &str, bytes: &[u8], route: MunicipalityCode) -> Result<String, Unfit> {
    let query = read_query(layout, name, bytes, route)?;
    Ok(format!("{}: delivery {}, payment date {}", municipality(route), query.delivery, query.payment_date))
}

fn as_reply(layout: &Layout, bytes: &[u8], route: MunicipalityCode) -> Result<String, Unfit> {
    let mut keys = HashMap::new();
    let mut reader = ReplyReader::new(layout, route);
    reader.feed(bytes, &mut |record, agreement| match keys.insert(agreement.key.to_owned(), record) {
        Some(first) => Err(duplicate_key(record, first)),
        None => Ok(()),
    })?;
    let end = reader.finish()?;
    let delivery = match end.head.delivery {
        Some(delivery) => format!("delivery {delivery}"),
        None => "no delivery number".to_owned(),
    };
    let agreements = count(end.count, "agreement");
    Ok(format!("{}: {delivery}, as of {}, {agreements} of {} kr a month", municipality(route), end.head.date, end.sum))
}
