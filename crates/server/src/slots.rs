//! Dropping a slot of a source at a person's word.
//!
//! It looks first and refuses what is in use or RDS's own, writes to the audit file, and only then
//! drops: a drop that cannot be written down does not happen. Dying in between leaves a line that
//! says so; the same order again is answered by what the server then shows.

use landfall_api::{ApiProblem, DropSlot, SlotDropped};
use landfall_assess::question::replication::{Slot, Slots};
use landfall_assess::question::{self, Answered as _, Reading};
use landfall_assess::slot_health::Standing;
use landfall_core::port::Database as _;
use landfall_core::{Code, Endpoint, InstanceId, Spec, spec};
use landfall_flow::View;
use landfall_postgres::{PostgresDatabase, SlotDrop};

use crate::app::App;
use crate::audit::{self, Deed, Line, Stage};
use crate::refusal::Refused;

impl App {
    /// Drops a slot that nobody uses.
    pub(crate) async fn drop_slot(&self, order: &DropSlot) -> Result<SlotDropped, Refused> {
        let spec = spec::parse(&order.spec_toml)?;
        if order.reason.trim().is_empty() {
            return Err(ApiProblem::bare(422, "a slot is dropped with a reason")
                .hint("Say why it may go: the audit file keeps it.")
                .into());
        }
        self.refuse_behind_a_fence(&spec).await?;
        let endpoint = self.source_at(&spec).await?;
        let database = self.world.database(&spec).await?.ok_or_else(no_access)?;
        let slot = look(&database, &endpoint, &order.slot).await?;
        refuse(&slot)?;
        let instance = &spec.source.instance;
        let retained_bytes = slot.retained.unwrap_or_default();
        let deed = Deed::DropSlot {
            instance,
            endpoint: &endpoint,
            slot: &order.slot,
            retained_bytes,
            reason: &order.reason,
        };
        self.note(order, deed, Stage::Intended)?;
        match database.drop_slot(&endpoint, &order.slot).await {
            // Unknown: somebody else has dropped it since the look, which comes to the same.
            Ok(SlotDrop::Dropped | SlotDrop::Unknown) => self.note(order, deed, Stage::Done)?,
            Ok(SlotDrop::InUse) => {
                self.note(order, deed, Stage::Failed("its consumer came back"))?;
                return Err(in_use(&order.slot, "its consumer came back"));
            }
            Err(failure) => {
                self.note(order, deed, Stage::Failed(&failure.to_string()))?;
                return Err(failure.into());
            }
        }
        Ok(SlotDropped { slot: order.slot.clone(), at: self.clock.now(), retained_bytes })
    }

    /// Behind the fence no consumer can reach its slot: there it only seems to be nobody's.
    async fn refuse_behind_a_fence(&self, spec: &Spec) -> Result<(), Refused> {
        for name in self.store.migrations().await? {
            let Some(view) = View::load(self.store.as_ref(), &name).await? else { continue };
            let same = view.spec.source.instance == spec.source.instance;
            if same && view.facts.groups_were.is_some() && !view.status.is_finished() {
                let title = format!("the move {name} has fenced {}", spec.source.instance);
                let hint = "Nothing was dropped. Behind the fence consumers cannot reach their \
                            slots; drop it before the cutover, or when the move is over.";
                return Err(ApiProblem::bare(409, title).hint(hint).into());
            }
        }
        Ok(())
    }

    async fn source_at(&self, spec: &Spec) -> Result<Endpoint, Refused> {
        let id = &spec.source.instance;
        let instance = self.world.cloud().await?.instance(id).await?;
        instance.and_then(|instance| instance.endpoint).ok_or_else(|| no_source(id))
    }

    fn note(&self, order: &DropSlot, deed: Deed<'_>, stage: Stage<'_>) -> Result<(), Refused> {
        let line = Line { at: self.clock.now(), by: &order.by, deed, stage };
        audit::add(self.world.state(), &line).map_err(|error| {
            let title = "the audit file could not be written";
            let hint = match stage {
                Stage::Intended => {
                    "Nothing was dropped. Check the state directory, then try again."
                }
                Stage::Done | Stage::Failed(_) => {
                    "The order was carried out or tried: look at the slots again, and check the \
                     state directory."
                }
            };
            let file = audit::file(self.world.state());
            let problem = ApiProblem::new(503, Code::StoreUnwritable, title).hint(hint);
            Refused::because(problem, format!("{}: {error}", file.display()))
        })
    }
}

async fn look(database: &PostgresDatabase, at: &Endpoint, name: &str) -> Result<Slot, Refused> {
    let answers = database.ask(at, &[Slots::QUESTION]).await?;
    let Slots(listed) = match question::server::<Slots>(&answers) {
        Reading::Looked(slots) => slots,
        Reading::NotLooked { why, grant } => {
            return Err(ApiProblem::bare(502, "the slots could not be looked at")
                .detail(why)
                .hint(if grant.is_empty() { String::new() } else { format!("Do this: {grant}.") })
                .into());
        }
        Reading::NotAsked => {
            return Err(ApiProblem::bare(502, "the server is older than any that is known").into());
        }
    };
    listed.items.into_iter().find(|slot| slot.name == name).ok_or_else(|| {
        ApiProblem::bare(404, format!("there is no slot {name:?} on {at}"))
            .hint("`landfall doctor SPEC` lists the slots.")
            .into()
    })
}

fn refuse(slot: &Slot) -> Result<(), Refused> {
    match Standing::of(slot) {
        Standing::Idle | Standing::Lost => Ok(()),
        Standing::Used => {
            let who = slot.application.as_deref().unwrap_or("a consumer");
            Err(in_use(&slot.name, &format!("{who} reads it")))
        }
        Standing::OfReplica => {
            let title = format!("the slot {} is that of a replica of RDS's own", slot.name);
            Err(ApiProblem::bare(409, title)
                .hint("Delete the replica when nobody needs it: RDS then drops its slot.")
                .into())
        }
    }
}

fn in_use(slot: &str, who: &str) -> Refused {
    ApiProblem::bare(409, format!("the slot {slot} is in use: {who}"))
        .hint("Nothing was dropped. Stop its consumer for good first, and ask its owner.")
        .into()
}

fn no_access() -> Refused {
    ApiProblem::bare(422, "the spec gives no access to the database")
        .hint("Add [access] with a role that may use replication (rds_replication on RDS).")
        .into()
}

fn no_source(id: &InstanceId) -> Refused {
    ApiProblem::bare(404, format!("AWS knows no instance {id} with an endpoint"))
        .hint("Check source.instance, the Region and the account.")
        .into()
}
