//! The one transaction of the workload: an order with its item, payment and stock, and the row of
//! the ledger that stands for all of it.
//!
//! The order is decoration with a purpose: it draws from sequences, holds row locks and follows
//! foreign keys, so a sequence left behind or a table left out shows as an error or as a missing
//! order. The ledger row alone carries the identity.
//!
//! Nothing here begins or commits: whoever calls decides when a commit is sent, and records it first.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::ids::RowId;
use crate::seed::{CUSTOMERS_ALWAYS, PRODUCTS_ALWAYS};

const PLACE: &str = "\
    with placed as ( \
        insert into orders (customer_id, status, total_cents, details) \
        values ($1, 'paid', $3, jsonb_build_object('by', 'workload')) \
        returning id \
    ), item as ( \
        insert into order_items (order_id, line, product_id, quantity, price_cents) \
        select id, 1, $2, 1, $3 from placed \
    ), paid as ( \
        insert into payments (order_id, method, amount_cents) select id, 'card', $3 from placed \
    ), taken as ( \
        update inventory set on_hand = on_hand - 1, changed_at = clock_timestamp() \
        where product_id = $2 and warehouse = 1 \
    ) \
    select id from placed";

const NOTE: &str = "\
    insert into workload_ledger (run, writer, seq, order_id, payload) values ($1, $2, $3, $4, $5)";

/// Writes one order and its ledger row within the session's open transaction.
pub(super) async fn place(client: &Client, id: RowId) -> Result<(), tokio_postgres::Error> {
    let customer = rand::random_range(1..=CUSTOMERS_ALWAYS);
    let product = rand::random_range(1..=PRODUCTS_ALWAYS);
    let cents = rand::random_range(100..=50_000_i32);
    // Unnamed statements throughout, so that a pooler between transactions is no obstacle.
    let placed = client
        .query_typed_one(
            PLACE,
            &[(&customer, Type::INT8), (&product, Type::INT4), (&cents, Type::INT4)],
        )
        .await?;
    let order: i64 = placed.try_get(0)?;
    note(client, id, Some(order)).await
}

/// Writes the ledger row alone.
pub(super) async fn note(
    client: &Client,
    id: RowId,
    order: Option<i64>,
) -> Result<(), tokio_postgres::Error> {
    let payload = id.payload();
    client
        .execute_typed(
            NOTE,
            &[
                (&id.run, Type::INT8),
                (&id.writer, Type::INT2),
                (&id.seq, Type::INT8),
                (&order, Type::INT8),
                (&payload, Type::TEXT),
            ],
        )
        .await?;
    Ok(())
}
