//! Settling a doubt: was the trigger made? Never by guessing, and never by making it again.
//!
//! **The fence**, where the trigger was to be made by rename. The only request that can still be late is that
//! rename, and it needs the part name. So, on a new session, the part name is itself renamed away, to the
//! *fenced* name, in one atomic step. It worked: the rename to the trigger has not happened and never can. "No such
//! file": either the trigger's rename was first, or an earlier fence of ours was, whose answer was lost; the
//! fenced name, which nothing else makes, tells the two apart. (Taking the part name away with REMOVE, as one would at
//! first, cannot: a remove whose answer is lost looks afterwards like a trigger that was made.)
//!
//! **By evidence**, where the trigger was to be made by writing: a whole trigger is there, or data and trigger are both
//! gone, as only a pick-up leaves it. A short trigger, or data alone, says nothing: a receipt, a reply or a
//! person will.

use super::{CarriedOut, Setback, Work};
use crate::domain::envelope::Trigger;
use crate::domain::exchange::duty::fenced_name;
use crate::domain::exchange::fact::TriggerWay;
use crate::domain::exchange::{Fact, State};
use crate::domain::identity::RemoteName;
use crate::engine::point;
use crate::engine::site::in_out;
use crate::transport::{Connect, FarSide, Trouble};

/// No trigger of ours is longer.
const TRIGGER_SIZE_MAX: u64 = 64 << 10;

impl<C: Connect> Work<C> {
    pub(super) async fn settle_doubt(&self, way: TriggerWay) -> CarriedOut {
        let settled = match &way {
            TriggerWay::Rename { part } => self.settle_by_fence(part).await,
            TriggerWay::Write => self.look_for_evidence().await,
        };
        point::reached("doubt_settled");
        match settled {
            Ok(fact) => fact.into(),
            Err(setback) => {
                let is_new = matches!(self.exchange.state, State::Submitting { .. });
                let doubted = is_new.then(|| Fact::Doubted { trouble: setback.to_string() });
                CarriedOut { facts: doubted.into_iter().collect(), setback: Some(setback), recorded: None }
            }
        }
    }

    async fn settle_by_fence(&self, part: &RemoteName) -> Result<Fact, Setback> {
        Ok(match self.far(async |session| fence(session, part).await).await? {
            true => Fact::TriggerNotMade {
                evidence: "its part name could be taken away, so it was not renamed and never can be".into(),
            },
            false => Fact::TriggerFound { evidence: "its part name is gone, so it was renamed".into() },
        })
    }

    async fn look_for_evidence(&self) -> Result<Fact, Setback> {
        let query = self.query()?;
        let (data, trigger) = (in_out(&query.remote_name), in_out(&self.final_name()?));
        let mut content = Vec::new();
        let looked = self
            .far(async |session| match session.read(&trigger, TRIGGER_SIZE_MAX, &mut content).await {
                Ok(_) => Ok(Some(true)),
                Err(Trouble::Missing) => match session.size(&data).await {
                    Ok(_) => Ok(None),
                    Err(Trouble::Missing) => Ok(Some(false)),
                    Err(trouble) => Err(trouble),
                },
                Err(trouble) => Err(trouble),
            })
            .await?;
        let evidence = match looked {
            Some(true) if self.is_ours(&content) => "the whole trigger is there",
            Some(false) => "data and trigger are both gone, so they were picked up",
            Some(true) => return Err(open("the trigger there is not whole")),
            None => return Err(open("the data is there and no trigger, which proves nothing")),
        };
        Ok(Fact::TriggerFound { evidence: evidence.into() })
    }

    fn is_ours(&self, content: &[u8]) -> bool {
        Trigger::read(content)
            .is_ok_and(|trigger| trigger.senders_file_id.as_deref() == Some(&*self.exchange.id.to_string()))
    }
}

/// Takes a part name away for good. True: it was still there, now or at an earlier fence, so the trigger was not
/// made by it and never can be. False: it was renamed to the trigger.
pub(super) async fn fence<S: FarSide>(session: &S, part: &RemoteName) -> Result<bool, Trouble> {
    let (from, fenced) = (in_out(part), in_out(&fenced_name(part)));
    match session.rename(&from, &fenced).await {
        Ok(()) => Ok(true),
        Err(Trouble::Missing) => match session.size(&fenced).await {
            Ok(_) => Ok(true),
            Err(Trouble::Missing) => Ok(false),
            Err(trouble) => Err(trouble),
        },
        Err(trouble) => Err(trouble),
    }
}

fn open(what: &str) -> Setback {
    Setback::Other(format!("{what}; a receipt, a reply or a person will settle it"))
}
