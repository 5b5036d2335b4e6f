-- Filled on the server from generate_series alone, so that the network carries nothing, and with
-- arithmetic instead of random(), so that one size always gives the same rows. {orders},
-- {customers} and {products} are replaced by numbers.
insert into customers (email, full_name, country, credit_limit, joined_at)
select 'customer' || i || '@shop.example',
       'Customer ' || (i * 7919) % 100003,
       (array['DE', 'FR', 'NL', 'US', 'JP', 'BR', 'IN'])[1 + i % 7],
       ((i * 37) % 5000)::numeric / 4,
       timestamptz '2020-01-01 00:00:00+00' + i * interval '13 minutes'
from generate_series(1, {customers}::bigint) as i;

insert into products (sku, title, price_cents, attributes)
select 'SKU-' || lpad(i::text, 8, '0'),
       'Product ' || md5(i::text),
       100 + (i * 271) % 90000,
       jsonb_build_object('colour', (array['red', 'green', 'blue', 'black'])[1 + i % 4],
                          'weight_grams', 50 + (i * 17) % 4000,
                          'tags', jsonb_build_array('tag' || i % 20, 'tag' || i % 31))
from generate_series(1, {products}::bigint) as i;

insert into inventory (product_id, warehouse, on_hand)
select p, w, 1000000 + (p * w) % 1000
from generate_series(1, {products}) as p, generate_series(1, 3) as w;

insert into orders (customer_id, status, total_cents, details, placed_at)
select 1 + (i * 7919) % {customers},
       (array['pending', 'paid', 'shipped', 'delivered', 'delivered', 'delivered', 'cancelled',
              'refunded'])[1 + i % 8]::order_status,
       500 + (i * 389) % 200000,
       case when i % 3 = 0
            then jsonb_build_object('coupon', 'C' || i % 97, 'gift', i % 2 = 0, 'note', md5(i::text))
       end,
       timestamptz '2022-01-01 00:00:00+00' + i * interval '41 seconds'
from generate_series(1, {orders}::bigint) as i;

insert into order_items (order_id, line, product_id, quantity, price_cents)
select o, line, 1 + (o * 31 + line * 7) % {products}, 1 + (o + line) % 4, 100 + (o * 271) % 90000
from generate_series(1, {orders}::bigint) as o, generate_series(1, 1 + (o % 3)::integer) as line;

insert into payments (order_id, method, amount_cents, paid_at)
select i,
       (array['card', 'card', 'transfer', 'wallet', 'voucher'])[1 + i % 5]::payment_method,
       500 + (i * 389) % 200000,
       timestamptz '2022-01-01 00:10:00+00' + i * interval '41 seconds'
from generate_series(1, {orders}::bigint) as i
where i % 8 <> 0;

insert into page_views (seen_at, customer_id, path, headers)
select timestamptz '2022-01-01 00:00:00+00' + i * interval '20 seconds',
       case when i % 4 <> 0 then 1 + (i * 104729) % {customers} end,
       '/product/' || (i * 13) % {products},
       jsonb_build_object('agent', 'browser/' || i % 50, 'referrer', md5((i % 1000)::text))
from generate_series(1, {orders}::bigint) as i;
