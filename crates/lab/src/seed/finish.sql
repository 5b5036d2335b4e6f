alter table customers add primary key (id);
create unique index customers_email on customers (lower(email));
alter table products add primary key (id);
alter table products add constraint products_sku_key unique (sku);
create index products_attributes on products using gin (attributes jsonb_path_ops);
alter table inventory add primary key (product_id, warehouse);
alter table orders add primary key (id);
create unique index orders_invoice_number on orders (invoice_number);
create index orders_customer on orders (customer_id, placed_at desc);
create index orders_open on orders (placed_at) where status in ('pending', 'paid');
alter table order_items add primary key (order_id, line);
alter table payments add primary key (id);
create index payments_order on payments (order_id);
create index page_views_seen on page_views using brin (seen_at);

alter table inventory add foreign key (product_id) references products (id);
alter table orders add foreign key (customer_id) references customers (id);
alter table order_items add foreign key (order_id) references orders (id) on delete cascade;
alter table payments add foreign key (order_id) references orders (id);

create view open_orders as
select o.id, o.customer_id, o.total_cents, o.placed_at
from orders as o
where o.status in ('pending', 'paid');

analyze customers, products, inventory, orders, order_items, payments, page_views, workload_ledger;
