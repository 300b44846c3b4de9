//! Stories whose first entry this program does not understand, written by a newer one or a much older one. Nothing is
//! done for them; what can still be made out keeps the others from colliding with them. Start with [`Unread`].

use jiff::civil::Date;

use crate::domain::identity::{DeliveryNumber, FileId, RemoteName, Route};
use crate::domain::moment::{Moment, PaymentMonth};

/// A story of which only its id, its beginning and some marks are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    pub id: FileId,
    /// The journal number of its first entry.
    pub seq: u64,
    /// The moment of its first entry.
    pub at: Moment,
    pub marks: Marks,
}

/// What an entry that is not understood says all the same, each where it stands as it always has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    pub route: Option<Route>,
    pub remote_name: Option<RemoteName>,
    pub delivery: Option<DeliveryNumber>,
    pub payment_date: Option<Date>,
    pub payment_month: Option<PaymentMonth>,
}

impl Unread {
    /// Whether it may be a query for the same payment, or with the same delivery number: it is, unless it says otherwise.
    pub fn may_rival(&self, route: &Route, date: Date, month: PaymentMonth, delivery: DeliveryNumber) -> bool {
        let Marks { route: of, payment_date, payment_month, delivery: used, .. } = &self.marks;
        let is_for_another = payment_date.is_some_and(|of| of != date) && payment_month.is_some_and(|of| of != month);
        of.as_ref() == Some(route) && (!is_for_another || *used == Some(delivery))
    }
}
