//! The change list that lies beside a handed-over reply: what it changed, one line each, for the benefit system.
//! It names agreements in full, as the reply beside it does; a payer is masked.

use std::fmt::Write;

use jiff::civil::Date;

use crate::domain::agreement::Agreement;
use crate::domain::change::Change;
use crate::store::{Changed, Store, StoreTrouble};

/// A change list as text: UTF-8, semicolons, CRLF, a heading first.
pub struct ChangeList {
    text: String,
}

const HEADING: &str = "change;agreement;payer;valid_from;valid_to;amount_oere_before;amount_oere_after\r\n";

impl ChangeList {
    /// What the reply changed that journal entry `applied` put into the register.
    pub fn of(store: &dyn Store, applied: u64) -> Result<ChangeList, StoreTrouble> {
        let mut text = HEADING.to_owned();
        store.changes(applied, &mut |changed| line(&mut text, &changed))?;
        Ok(ChangeList { text })
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

fn line(text: &mut String, changed: &Changed) {
    let Some(shown) = changed.after.as_ref().or(changed.before.as_ref()) else { return };
    let change = match changed.change {
        Change::New => "new",
        Change::Changed => "changed",
        Change::Ended => "ended",
        Change::Resumed => "resumed",
    };
    let payer = shown.payer.map(|payer| payer.to_string()).unwrap_or_default();
    let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
    let amount = |agreement: &Option<Agreement>| {
        agreement.as_ref().and_then(|a| a.amount).map(|amount| amount.0.to_string()).unwrap_or_default()
    };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "{change};{};{payer};{};{};{};{}\r\n",
        quoted(&shown.key.0),
        day(shown.valid_from),
        day(shown.valid_to),
        amount(&changed.before),
        amount(&changed.after),
    );
}

fn quoted(text: &str) -> String {
    match text.contains([';', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
