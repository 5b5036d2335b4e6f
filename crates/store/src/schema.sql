create table entries (
    migration text not null,
    seq integer not null check (seq > 0),
    epoch integer not null check (epoch >= 0),
    at text not null,
    step text,
    record text not null check (json_valid(record)),
    version integer not null,
    primary key (migration, seq)
) strict;

-- What happened is never rewritten, by this program or by hand.
create trigger entries_keep_update before update on entries begin
    select raise(abort, 'the journal is append-only');
end;

create trigger entries_keep_delete before delete on entries begin
    select raise(abort, 'the journal is append-only');
end;

create table leases (
    migration text not null primary key,
    epoch integer not null check (epoch > 0),
    holder text not null,
    until text not null
) strict;

create table routes (
    service text not null primary key,
    host text not null,
    port integer not null check (port between 0 and 65535),
    traffic text not null check (traffic in ('open', 'held')),
    epoch integer not null check (epoch > 0)
) strict;
