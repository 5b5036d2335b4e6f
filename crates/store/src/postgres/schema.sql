-- Made by somebody with more rights, it need not be made here.
do $$
begin
    if not exists (select from pg_catalog.pg_namespace where nspname = 'landfall_store') then
        create schema landfall_store;
    end if;
end;
$$;

create table landfall_store.version (
    one boolean not null primary key default true check (one),
    number integer not null
);

create table landfall_store.entries (
    migration text not null,
    seq bigint not null check (seq > 0),
    epoch bigint not null check (epoch >= 0),
    at text not null,
    step text,
    record json not null,
    version integer not null,
    -- Of the call that wrote it: whoever lost the answer knows the record as its own.
    mark text not null,
    primary key (migration, seq)
);

-- What happened is never rewritten, by this program or by hand.
create function landfall_store.keep() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is append-only';
end;
$$;

create trigger keep before update or delete or truncate on landfall_store.entries
    for each statement execute function landfall_store.keep();

-- The one clock that leases are judged by, in nanoseconds since 1970: this server's. What a caller
-- claims is not believed.
create function landfall_store.lease_clock(claimed bigint) returns bigint language sql volatile as
$$
    select (extract(epoch from clock_timestamp()) * 1000000000)::bigint
$$;

create table landfall_store.leases (
    migration text not null primary key,
    epoch bigint not null check (epoch > 0),
    holder text not null,
    until bigint not null,
    mark text not null
);

create table landfall_store.routes (
    service text not null primary key,
    host text not null,
    port integer not null check (port between 0 and 65535),
    traffic text not null check (traffic in ('open', 'held')),
    epoch bigint not null check (epoch > 0),
    passage text
);

-- Measurements of a move, in buckets that grow wider with age; times in nanoseconds since 1970.
create table landfall_store.samples (
    migration text not null,
    series text not null,
    at bigint not null,
    until bigint not null check (until >= at),
    minimum double precision not null,
    average double precision not null,
    maximum double precision not null,
    count bigint not null check (count > 0),
    primary key (migration, series, at)
);
