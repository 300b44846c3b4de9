//! The way out: data, and the trigger under a part name; then the one request that makes it visible.

use super::{CarriedOut, Setback, Work};
use crate::config::TriggerWay as Setting;
use crate::domain::exchange::Fact;
use crate::domain::exchange::duty::{fenced_name, part_name};
use crate::domain::exchange::fact::TriggerWay;
use crate::domain::identity::RemoteName;
use crate::durable::{Source, open_for_later};
use crate::engine::point;
use crate::engine::site::{in_out, trigger_name};
use crate::transport::{Connect, FarSide, Trouble};

impl<C: Connect> Work<C> {
    /// The data under its final name. Uploading it again is harmless before the intent, since the same bytes go
    /// to the same places and nothing is truncated.
    pub(super) async fn upload_data(&self) -> Result<CarriedOut, Setback> {
        if self.exchange.attempts > 0 {
            return Ok(self.put_data().await?.into());
        }
        // Nothing is to be looked at or put away before the trigger is staged the first time, so the two go side by side.
        // Where that went wrong, the data goes first: each staging has a part name of its own, and an OUT that is full
        // would be filled with them.
        let (data, staged) = if self.known.is_smooth {
            tokio::join!(self.put_data(), self.stage_beside(true))
        } else {
            (Ok(self.put_data().await?), self.stage_beside(true).await)
        };
        let uploaded = match (data, &staged) {
            (Ok(uploaded), _) => uploaded,
            (Err(setback), Ok(Fact::TriggerStaged { part })) => {
                // Each staging has a name of its own: this one would lie there until the exchange ends.
                let _ = self.far(async |session| self.remove(session, &in_out(part)).await).await;
                return Err(setback);
            }
            (Err(setback), _) => return Err(setback),
        };
        let staged = staged.map_or_else(CarriedOut::from, CarriedOut::from);
        let facts = std::iter::once(uploaded).chain(staged.facts).collect();
        Ok(CarriedOut { facts, ..staged })
    }

    async fn put_data(&self) -> Result<Fact, Setback> {
        let query = self.query()?;
        let copy = self.site.places.query(&self.exchange.route, self.exchange.id);
        let opened = self.on_disk(move |disk| open_for_later(disk, &copy)).await;
        let mut source = Source(opened.map_err(|setback| setback.at(&self.site.places.archive()))?);
        let path = in_out(&query.remote_name);
        let there = self
            .far(async |session| {
                let there = session.write_and_measure(&path, &mut source).await?;
                if there > query.size {
                    // Something longer was there before us; the next try begins on a free name.
                    self.remove(session, &path).await?;
                }
                Ok(there)
            })
            .await?;
        if there != query.size {
            let sizes = format!("{path} has {there} bytes there, {} were sent", query.size);
            return Err(Setback::Other(sizes));
        }
        point::reached("data_written");
        Ok(Fact::DataUploaded)
    }

    /// The whole trigger under a part name, each request answered before the next. Nothing is visible to the hub yet.
    pub(super) async fn stage_trigger(&self) -> Result<CarriedOut, Setback> {
        Ok(self.stage_beside(false).await?.into())
    }

    /// `is_measured`: this piece of work puts the data there and measures it.
    async fn stage_beside(&self, is_measured: bool) -> Result<Fact, Setback> {
        let query = self.query()?;
        let trigger = self.kind.trigger(self.exchange.id, query);
        let part = part_name(self.exchange.id, self.site.surroundings.nonce());
        let (data, staged) = (in_out(&query.remote_name), in_out(&part));
        let fact = self
            .far(async |session| {
                if !is_measured {
                    match session.size(&data).await {
                        Ok(size) if size == query.size => {}
                        Ok(_) | Err(Trouble::Missing) => return Ok(Fact::DataGone),
                        Err(trouble) => return Err(trouble),
                    }
                }
                if self.kind.endpoint.trigger == Setting::Write {
                    return Ok(Fact::RenameUnavailable { why: "the settings say `write`".into() });
                }
                if !session.abilities().posix_rename {
                    return Ok(Fact::RenameUnavailable { why: "the server has no posix-rename".into() });
                }
                // The former attempt's part was not renamed and never can be: that is why there is another attempt.
                if let Some(former) = self.exchange.parts.last() {
                    self.remove(session, &in_out(former)).await?;
                    self.remove(session, &in_out(&fenced_name(former))).await?;
                }
                let staged_size = match session.write_and_measure(&staged, &mut trigger.as_slice()).await {
                    // OUT takes only some names.
                    Err(Trouble::Refused(why)) => return Ok(Fact::RenameUnavailable { why }),
                    size => size?,
                };
                match staged_size {
                    size if size == trigger.len() as u64 => Ok(Fact::TriggerStaged { part }),
                    size => {
                        Err(Trouble::Refused(format!("{staged} has {size} bytes there, {} were sent", trigger.len())))
                    }
                }
            })
            .await?;
        point::reached("trigger_written");
        Ok(fact)
    }

    /// The instant of no return: one request, once. What it comes to is a fact whatever happens.
    pub(super) async fn submit(&self, way: TriggerWay) -> CarriedOut {
        let sent = match &way {
            TriggerWay::Rename { part } => self.submit_by_rename(part).await,
            TriggerWay::Write => self.submit_by_writing().await,
        };
        point::reached("trigger_requested");
        match sent {
            Ok(()) => Fact::TriggerMade.into(),
            Err(Setback::Far(Trouble::Uncertain(trouble))) => CarriedOut {
                facts: vec![Fact::Doubted { trouble: trouble.clone() }],
                setback: Some(Setback::Far(Trouble::Uncertain(trouble))),
                recorded: None,
            },
            Err(Setback::Far(answered @ (Trouble::Refused(_) | Trouble::Missing))) => match way {
                TriggerWay::Rename { part } => self.after_refused_rename(&part, answered).await,
                TriggerWay::Write => not_made(answered.into()),
            },
            Err(setback) => not_made(setback),
        }
    }

    /// An error is an answer, and no request is on its way any more; but a gateway or a network file system may
    /// have done it all the same. The part name knows: where it still is, it was not renamed.
    async fn after_refused_rename(&self, part: &RemoteName, answered: Trouble) -> CarriedOut {
        let staged = in_out(part);
        match self.far(async |session| session.size(&staged).await).await {
            Ok(_) => {
                let evidence = format!("the rename was answered ({answered}), and its part name is still there");
                let mut facts = vec![Fact::TriggerNotMade { evidence }];
                if matches!(answered, Trouble::Refused(_)) {
                    facts.push(Fact::RenameUnavailable { why: answered.to_string() });
                }
                CarriedOut { facts, ..CarriedOut::default() }
            }
            Err(Trouble::Missing) => Fact::TriggerFound {
                evidence: format!("the rename was answered ({answered}), but its part name is gone, so it was done"),
            }
            .into(),
            Err(trouble) => CarriedOut {
                facts: vec![Fact::Doubted { trouble: answered.to_string() }],
                setback: Some(trouble.into()),
                recorded: None,
            },
        }
    }

    async fn submit_by_rename(&self, part: &RemoteName) -> Result<(), Setback> {
        let (from, to) = (in_out(part), in_out(&self.final_name()?));
        let lease = self.kind.link.lease().await?;
        let renamed = lease.session.rename(&from, &to).await;
        if let Err(trouble) = &renamed {
            self.kind.link.note(&lease, trouble);
        }
        Ok(as_doubt(renamed)?)
    }

    async fn submit_by_writing(&self) -> Result<(), Setback> {
        let trigger = self.kind.trigger(self.exchange.id, self.query()?);
        let to = in_out(&self.final_name()?);
        let lease = self.kind.link.lease().await?;
        let written = lease.session.write(&to, &mut trigger.as_slice()).await;
        if let Err(trouble) = &written {
            self.kind.link.note(&lease, trouble);
        }
        as_doubt(written)?;
        Ok(())
    }

    pub(super) fn final_name(&self) -> Result<RemoteName, Setback> {
        trigger_name(&self.query()?.remote_name).map_err(|e| Setback::Other(e.to_string()))
    }
}

fn not_made(setback: Setback) -> CarriedOut {
    CarriedOut {
        facts: vec![Fact::TriggerNotMade { evidence: format!("the request was not carried out: {setback}") }],
        setback: Some(setback),
        recorded: None,
    }
}

/// Having given up on our own side half-way leaves the outcome as open as a lost answer does.
fn as_doubt<T>(outcome: Result<T, Trouble>) -> Result<T, Trouble> {
    match outcome {
        Err(Trouble::GaveUp(why)) => Err(Trouble::Uncertain(why)),
        outcome => outcome,
    }
}
