//! The gate before a payment: every municipality of the settings judged for one payment date, from the book while the
//! daemon runs, and without it from that part of the journal which speaks of the date. Start with [`Office::gate`].

use jiff::civil::Date;

use super::Office;
use crate::domain::exchange::Book;
use crate::domain::exchange::gate::{Shut, judge};
use crate::domain::identity::Route;
use crate::engine::anchor::{self, Standing};
use crate::engine::offline::{OfflineTrouble, take_in};
use crate::engine::snapshot::{GateLine, GateReport};

impl Office {
    /// Judges every route of the settings. `unknown`: why what the book says cannot be relied upon, if it cannot.
    pub fn gate(&self, book: &Book, payment_date: Date, unknown: Option<&str>) -> GateReport {
        let routes = self.settings.exchanges.iter().flat_map(|(name, settings)| {
            settings.municipalities.iter().map(|code| Route { exchange: name.clone(), municipality: *code })
        });
        let line = |route: Route| {
            let shut = match unknown {
                Some(why) => Some(Shut::Unknown { id: None, what: why.to_owned() }),
                None => judge(book, &route, payment_date),
            };
            let (exchange, municipality, name) = (route.exchange, route.municipality, route.municipality.name());
            GateLine { exchange, municipality, name: name.to_owned(), shut }
        };
        GateReport { payment_date, lines: routes.map(line).collect() }
    }

    /// The same without a daemon. Only reads, so it takes no lock.
    pub fn gate_offline(&self, payment_date: Date) -> Result<GateReport, OfflineTrouble> {
        let (reader, standing) = anchor::look(self.disk.as_ref(), &self.settings.anchor(), &self.settings.store.path)?;
        let unknown = match standing {
            Standing::Holds => None,
            Standing::Restored(restored) => Some(restored.to_string()),
        };
        let mut book = Book::default();
        reader.about(payment_date, &mut |entry| take_in(&mut book, entry))?;
        Ok(self.gate(&book, payment_date, unknown.as_deref()))
    }
}
