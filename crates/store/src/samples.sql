-- Measurements of a move, in buckets that grow wider with age; times in nanoseconds since 1970.
create table samples (
    migration text not null,
    series text not null,
    at integer not null,
    until integer not null check (until >= at),
    minimum real not null,
    average real not null,
    maximum real not null,
    count integer not null check (count > 0),
    primary key (migration, series, at)
) strict, without rowid;
