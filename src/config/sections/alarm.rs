//! The sections of what is expected by when, and of who is told. Both may be left out.

use toml::Spanned;

use super::super::key::{About, Section};
use super::super::value::Target;
use super::super::{AlarmSettings, CalendarSettings, HeartbeatSettings, Webhook};
use super::{Document, Looked, keys};

impl Document<'_, '_, '_> {
    /// None: something was wrong. Inside, None: no query is expected.
    pub(super) fn calendar(&mut self) -> Option<Option<CalendarSettings>> {
        if !self.root.contains_key(keys::CALENDAR.name) {
            return Some(None);
        }
        let mut section = self.single(&keys::CALENDAR)?;
        let payments = section.take(&keys::PAYMENTS);
        let query_from = section.take(&keys::QUERY_FROM);
        let query_by = section.take(&keys::QUERY_BY);
        if let (Some(from), Some(by)) = (&query_from, &query_by)
            && !from.get_ref().is_earlier_than(*by.get_ref())
        {
            let predicate = format!("is not earlier than `query_by`, expected {}", keys::QUERY_FROM.about.expected);
            section.complain(&keys::QUERY_FROM.about, from.span(), &predicate);
        }
        Some(Some(CalendarSettings {
            payments: payments?.into_inner(),
            query_from: query_from?.into_inner(),
            query_by: query_by?.into_inner(),
        }))
    }

    /// None: something was wrong. Looks at no other section.
    pub fn alarm(&mut self) -> Option<AlarmSettings> {
        if !self.root.contains_key(keys::ALARM.name) {
            return Some(AlarmSettings::default());
        }
        let looked = self.looked;
        let mut section = self.single(&keys::ALARM)?;
        let command = section.take(&keys::COMMAND);
        let webhook = section.take_optional(&keys::WEBHOOK);
        let least = section.take(&keys::LEAST);
        let repeat = section.take_optional(&keys::REPEAT);
        let over_after = section.take(&keys::OVER_AFTER);
        let heartbeat = section.take_optional(&keys::HEARTBEAT);
        let heartbeat_command = section.take(&keys::HEARTBEAT_COMMAND);
        let every = section.take(&keys::HEARTBEAT_EVERY);
        let webhook = webhook?.map(|target| found(looked, &mut section, &keys::WEBHOOK.about, target));
        let pinged = heartbeat?.map(|target| found(looked, &mut section, &keys::HEARTBEAT.about, target));
        let heartbeat =
            HeartbeatSettings { webhook: pinged, command: heartbeat_command?.into_inner(), every: every?.into_inner() };
        let is_wanted = heartbeat.webhook.is_some() || !heartbeat.command.is_empty();
        Some(AlarmSettings {
            command: command?.into_inner(),
            webhook,
            least: least?.into_inner(),
            repeat: repeat?.map(Spanned::into_inner),
            over_after: over_after?.into_inner(),
            heartbeat: is_wanted.then_some(heartbeat),
        })
    }
}

fn found(looked: Looked<'_>, section: &mut Section<'_, '_, '_>, about: &About, target: Spanned<Target>) -> Webhook {
    let span = target.span();
    match target.into_inner() {
        Target::Address(address) => Webhook::Address(address),
        Target::Secret(file) => Webhook::File(looked.secret(section, about, Spanned::new(span, file))),
    }
}
