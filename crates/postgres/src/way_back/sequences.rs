//! Sequences, read from the relation itself and only ever set forward.
//!
//! Logical replication does not carry them. The view `pg_sequences` says null where our role lacks
//! a privilege, and a sequence taken for fresh gives out values twice: so one that may not be
//! read is a failure. Each database's are set in one transaction, and the comparison is part of
//! each statement, so that a repeat, or a value given out meanwhile, never lowers one.

use std::collections::BTreeMap;

use landfall_core::port::way_back::{IsCalled, SequenceValue, Sequences};
use landfall_core::{DatabaseName, Failure, FailureKind};
use tokio_postgres::{Error, Row};

use super::{Visit, everywhere, in_each};
use crate::call::Call;
use crate::quote::Literal;

/// Sequences in one statement: each is a relation that it opens and locks.
const BATCH: usize = 400;

/// Temporary ones die with their session; ours is none.
const LIST: &str = "
select format('%I.%I', n.nspname, c.relname) as name, s.seqincrement as increment,
       has_sequence_privilege(s.seqrelid, 'select') as readable, current_user::text as us
from pg_sequence s
join pg_class c on c.oid = s.seqrelid
join pg_namespace n on n.oid = c.relnamespace
where c.relpersistence <> 't' and n.nspname !~ '^pg_'
  and n.nspname not in ('information_schema', 'landfall')
  and (pg_get_userbyid(c.relowner) <> 'rdsadmin' or current_user = 'rdsadmin')
order by 1";

struct Listed {
    name: String,
    increment: i64,
}

pub(crate) async fn view(call: Call<'_>) -> Result<Sequences, Failure> {
    everywhere(call, |visit| async move { view_one(&visit).await }).await
}

async fn view_one(visit: &Visit<'_>) -> Result<BTreeMap<String, SequenceValue>, Failure> {
    let failed = |error: Error| visit.failed(error);
    let listed = list(visit).await?;
    let mut values = BTreeMap::new();
    let lease = visit.lend().await?;
    for batch in listed.chunks(BATCH) {
        let each = batch.iter().enumerate().map(|(number, sequence)| {
            format!("select {number}, last_value, is_called from only {}", sequence.name)
        });
        let sql = each.collect::<Vec<_>>().join(" union all ");
        let rows = lease.client.query(&sql, &[]).await.map_err(|error| moved(visit, error))?;
        for row in rows {
            let read = || -> Result<(i32, i64, bool), Error> {
                Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
            };
            let (number, last_value, called) = read().map_err(failed)?;
            let sequence = usize::try_from(number).ok().and_then(|number| batch.get(number));
            let Some(Listed { name, increment }) = sequence else { continue };
            let is_called = if called { IsCalled::Called } else { IsCalled::Fresh };
            let value = SequenceValue { last_value, is_called, increment: *increment };
            values.insert(name.clone(), value);
        }
    }
    visit.keep(lease);
    Ok(values)
}

async fn list(visit: &Visit<'_>) -> Result<Vec<Listed>, Failure> {
    let read = |row: &Row| -> Result<(Listed, bool, String), Error> {
        let listed = Listed { name: row.try_get("name")?, increment: row.try_get("increment")? };
        Ok((listed, row.try_get("readable")?, row.try_get("us")?))
    };
    let mut listed = Vec::new();
    for row in visit.ask(LIST, &[]).await? {
        let (sequence, readable, us) = read(&row).map_err(|error| visit.failed(error))?;
        if !readable {
            let name = &sequence.name;
            let detail = format!(
                "sequence {name} may not be read, and taken for new it would give out values \
                 twice; grant select, update on sequence {name} to {us}"
            );
            return Err(visit.failure(FailureKind::Denied, &detail));
        }
        listed.push(sequence);
    }
    Ok(listed)
}

/// One that was dropped or renamed since it was listed: another look sees what is there.
fn moved(visit: &Visit<'_>, error: Error) -> Failure {
    let mut failure = visit.failed(error);
    if failure.kind == FailureKind::NotFound && failure.detail.contains("42P01") {
        failure.kind = FailureKind::WrongState;
    }
    failure
}

pub(super) async fn set(
    call: Call<'_>,
    values: &BTreeMap<DatabaseName, BTreeMap<String, SequenceValue>>,
) -> Result<(), Failure> {
    let databases = values.keys().cloned().collect();
    in_each(call, databases, |visit| async move {
        match values.get(visit.database()) {
            Some(values) => set_one(&visit, values).await,
            None => Ok(()),
        }
    })
    .await
    .map(drop)
}

async fn set_one(
    visit: &Visit<'_>,
    values: &BTreeMap<String, SequenceValue>,
) -> Result<(), Failure> {
    let failed = |error: Error| visit.failed(error);
    // Only names that the server itself has given us become part of a statement.
    let here: BTreeMap<String, ()> =
        list(visit).await?.into_iter().map(|sequence| (sequence.name, ())).collect();
    if let Some(missing) = values.keys().find(|name| !here.contains_key(*name)) {
        let detail = format!("there is no sequence {missing} to set; create it as it is there");
        return Err(visit.failure(FailureKind::NotFound, &detail));
    }
    let mut lease = visit.lend().await?;
    let transaction = lease.client.build_transaction().read_only(false).start().await;
    let transaction = transaction.map_err(failed)?;
    let values: Vec<(&String, &SequenceValue)> = values.iter().collect();
    for batch in values.chunks(BATCH) {
        let each = batch.iter().map(|(name, value)| set_forward(name, **value));
        let sql = each.collect::<Vec<_>>().join(" union all ");
        transaction.query(&sql, &[]).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    visit.keep(lease);
    Ok(())
}

/// [`SequenceValue::is_ahead_of`], in the server's words.
fn set_forward(name: &str, value: SequenceValue) -> String {
    let SequenceValue { last_value, is_called, increment } = value;
    let (called, further) = match is_called {
        IsCalled::Called => (true, "not is_called"),
        IsCalled::Fresh => (false, "false"),
    };
    let beyond = if increment > 0 { '<' } else { '>' };
    format!(
        "select setval({}, ({last_value})::int8, {called}) from only {name} \
         where last_value {beyond} ({last_value})::int8 \
         or last_value = ({last_value})::int8 and {further}",
        Literal(name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_set_in_the_direction_of_its_own_steps() {
        let value = |increment| SequenceValue {
            last_value: i64::MIN,
            is_called: IsCalled::Called,
            increment,
        };
        let up = set_forward("public.\"a'b\"", value(1));
        assert_eq!(
            up,
            "select setval('public.\"a''b\"', (-9223372036854775808)::int8, true) \
             from only public.\"a'b\" where last_value < (-9223372036854775808)::int8 \
             or last_value = (-9223372036854775808)::int8 and not is_called"
        );
        assert!(set_forward("s", value(-1)).contains("last_value > "));
    }
}
