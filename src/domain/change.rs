//! What a reply changes in the register, and what of that is surprising enough to be held for a person.
//! [`ChangeSummary::count`] decides for one agreement and adds up, [`Guards`] judges the sum.

use serde::{Deserialize, Serialize};

use super::agreement::Agreement;
use super::amount::Oere;
use super::exchange::hold::HoldReason;

/// What happened to one agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The register never knew it.
    New,
    /// It says something else than before.
    Changed,
    /// The reply no longer has it: ended as of the reply's date, which is inferred.
    Ended,
    /// It had ended and is back.
    Resumed,
}

/// The register's latest belief of an agreement.
#[derive(Clone, PartialEq, Eq)]
pub struct Known {
    pub agreement: Agreement,
    pub ended: bool,
}

/// What a comparison asks of an agreement that the register knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Was {
    pub ended: bool,
    pub amount: Option<Oere>,
    /// What the reply states is the same.
    pub is_same: bool,
}

/// What a reply that states an agreement, or leaves it out, changes. None: nothing.
fn change(was: Option<Was>, is_stated: bool) -> Option<Change> {
    match (was, is_stated) {
        (None, true) => Some(Change::New),
        (Some(was), true) if was.ended => Some(Change::Resumed),
        (Some(was), true) if !was.is_same => Some(Change::Changed),
        (Some(was), false) if !was.ended => Some(Change::Ended),
        (Some(_), _) | (None, false) => None,
    }
}

/// What a whole reply changes, in counts and monthly totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSummary {
    /// Agreements that the register held, not ended.
    pub before_count: u64,
    pub before_total: Oere,
    pub after_count: u64,
    pub after_total: Oere,
    pub new: u64,
    pub changed: u64,
    pub ended: u64,
    pub resumed: u64,
    pub unchanged: u64,
    /// The largest amount that the register held.
    pub before_largest: Oere,
    /// Of the changed and resumed: the one whose amount grew to the largest multiple, as (before, after).
    pub steepest: Option<(Oere, Oere)>,
    /// The largest amount of a new agreement.
    pub new_largest: Oere,
    /// No reply was ever applied on this route.
    pub first_load: bool,
}

impl ChangeSummary {
    /// Adds one agreement as the register knows it and as the reply states it, and says what changed.
    pub fn add(&mut self, known: Option<&Known>, stated: Option<&Agreement>) -> Option<Change> {
        let was = known.map(|known| Was {
            ended: known.ended,
            amount: known.agreement.amount,
            is_same: stated.is_some_and(|stated| *stated == known.agreement),
        });
        self.count(was, stated.map(|stated| stated.amount))
    }

    /// The same of what is asked of it alone. `is`: what the reply states as its amount, None where it leaves it out.
    pub fn count(&mut self, was: Option<Was>, is: Option<Option<Oere>>) -> Option<Change> {
        let before = was.map(|was| was.amount.unwrap_or_default());
        let after = is.map(Option::unwrap_or_default);
        if let (Some(before), Some(Was { ended: false, .. })) = (before, was) {
            self.before_count += 1;
            self.before_total = self.before_total.saturating_add(before);
            self.before_largest = self.before_largest.max(before);
        }
        if let Some(after) = after {
            self.after_count += 1;
            self.after_total = self.after_total.saturating_add(after);
        }
        let change = change(was, is.is_some());
        match change {
            Some(Change::New) => self.new += 1,
            Some(Change::Changed) => self.changed += 1,
            Some(Change::Ended) => self.ended += 1,
            Some(Change::Resumed) => self.resumed += 1,
            None => self.unchanged += u64::from(is.is_some()),
        }
        match (before, after) {
            (Some(before), Some(after)) => {
                let step = (before, after);
                if self.steepest.is_none_or(|steepest| is_steeper(step, steepest)) {
                    self.steepest = Some(step);
                }
            }
            (None, Some(after)) => self.new_largest = self.new_largest.max(after),
            (Some(_) | None, None) => {}
        }
        change
    }
}

fn is_steeper((before, after): (Oere, Oere), (before_2, after_2): (Oere, Oere)) -> bool {
    let product = |a: Oere, b: Oere| i128::from(a.0) * i128::from(b.0.max(1));
    product(after, before_2) > product(after_2, before)
}

/// A share of a hundred, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// None above 100.
    pub fn new(value: u8) -> Option<Percent> {
        (value <= 100).then_some(Percent(value))
    }

    pub fn value(self) -> u8 {
        self.0
    }
}

/// How much a reply may change without a person having looked at it.
#[derive(Clone, Copy, Debug)]
pub struct Guards {
    pub end: Percent,
    pub amount: Percent,
}

/// Up to so many endings are never surprising, whatever their share: small municipalities have few agreements.
const ENDINGS_ALWAYS_FINE: u64 = 5;

/// One amount that is so many times what was to be expected is taken for a slip of the decimal point, though
/// among many agreements the total would hardly show it.
const AMOUNT_FACTOR: i64 = 10;

impl Guards {
    /// What about this change is surprising. The first load never is.
    pub fn surprises(&self, summary: &ChangeSummary) -> Vec<HoldReason> {
        let mut reasons = Vec::new();
        if summary.first_load || summary.before_count == 0 {
            return reasons;
        }
        let ChangeSummary { ended, before_count: of, before_total: before, after_total: after, .. } = *summary;
        let over = |part: u128, whole: u128, limit: Percent| part * 100 > whole * u128::from(limit.0);
        if ended == of {
            reasons.push(HoldReason::EndsAll { of });
        } else if ended > ENDINGS_ALWAYS_FINE && over(ended.into(), of.into(), self.end) {
            reasons.push(HoldReason::EndsMany { ended, of, limit_percent: self.end.0 });
        }
        let difference = i128::from(after.0) - i128::from(before.0);
        if over(difference.unsigned_abs(), before.0.unsigned_abs().into(), self.amount) {
            reasons.push(HoldReason::TotalJumps { before, after, limit_percent: self.amount.0 });
        }
        let steps = summary.steepest.into_iter().chain([(summary.before_largest, summary.new_largest)]);
        for (before, after) in steps {
            if before.0 > 0 && after.0 > before.0.saturating_mul(AMOUNT_FACTOR) {
                reasons.push(HoldReason::AmountJumps { before, after, factor: AMOUNT_FACTOR });
            }
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::agreement::AgreementKey;

    fn agreement(kroner: i64) -> Agreement {
        Agreement {
            key: AgreementKey("000000001001".into()),
            payer: None,
            valid_from: None,
            valid_to: None,
            amount: Some(Oere(kroner * 100)),
            other: Default::default(),
        }
    }

    fn known(kroner: i64, ended: bool) -> Known {
        Known { agreement: agreement(kroner), ended }
    }

    /// `before` and `after` amounts in kroner by position, None where there is no agreement.
    fn summary(pairs: &[(Option<i64>, Option<i64>)]) -> ChangeSummary {
        let mut summary = ChangeSummary::default();
        for (before, after) in pairs {
            summary.add(before.map(|b| known(b, false)).as_ref(), after.map(agreement).as_ref());
        }
        summary
    }

    const GUARDS: Guards = Guards { end: Percent(20), amount: Percent(30) };

    #[test]
    fn new_changed_ended_and_resumed_are_told_apart() {
        let (a, b) = (agreement(1), agreement(2));
        let change = |known: Option<&Known>, stated| ChangeSummary::default().add(known, stated);
        assert_eq!(change(None, Some(&a)), Some(Change::New));
        assert_eq!(change(Some(&known(1, false)), Some(&a)), None);
        assert_eq!(change(Some(&known(1, false)), Some(&b)), Some(Change::Changed));
        assert_eq!(change(Some(&known(1, false)), None), Some(Change::Ended));
        assert_eq!(change(Some(&known(1, true)), None), None);
        assert_eq!(change(Some(&known(1, true)), Some(&a)), Some(Change::Resumed));
        assert_eq!(change(None, None), None);
    }

    #[test]
    fn five_endings_pass_and_six_of_twenty_are_held() {
        let pairs = |ended: usize, of: usize| -> Vec<_> {
            (0..of).map(|i| (Some(1000 + i as i64), (i >= ended).then_some(1000 + i as i64 + 400))).collect()
        };
        assert_eq!(GUARDS.surprises(&summary(&pairs(5, 20))), []);
        assert!(matches!(
            GUARDS.surprises(&summary(&pairs(6, 20)))[..],
            [HoldReason::EndsMany { ended: 6, of: 20, limit_percent: 20 }]
        ));
        assert_eq!(GUARDS.surprises(&summary(&pairs(6, 30))), [], "20 % exactly is not more than 20 %");
    }

    #[test]
    fn a_register_that_ends_entirely_is_held_however_small() {
        let reasons = GUARDS.surprises(&summary(&[(Some(1603), None)]));

        assert!(reasons.contains(&HoldReason::EndsAll { of: 1 }));
    }

    #[test]
    fn an_amount_a_hundredfold_too_big_does_not_hide_among_many() {
        let mut pairs = vec![(Some(1603), Some(1603)); 2000];
        pairs.push((Some(1603), Some(160_300)));

        assert!(matches!(GUARDS.surprises(&summary(&pairs))[..], [HoldReason::AmountJumps { .. }]));

        pairs.pop();
        pairs.push((None, Some(160_300)));
        assert!(matches!(GUARDS.surprises(&summary(&pairs))[..], [HoldReason::AmountJumps { .. }]));
    }

    #[test]
    fn a_total_that_jumps_either_way_is_held() {
        for after in [1400, 600] {
            let reasons = GUARDS.surprises(&summary(&[(Some(1000), Some(after))]));
            assert!(matches!(reasons[..], [HoldReason::TotalJumps { .. }]), "{after}");
        }
        assert_eq!(GUARDS.surprises(&summary(&[(Some(1000), Some(1300))])), []);
    }

    #[test]
    fn the_first_load_is_never_surprising() {
        let mut first = summary(&[(None, Some(1603)), (None, Some(160_300))]);
        first.first_load = true;

        assert_eq!(GUARDS.surprises(&first), []);
    }
}
