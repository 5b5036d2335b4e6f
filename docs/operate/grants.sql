-- The database role of Landfall: what it may do on the source, line by line, and what for.
-- Run as the master user, in the database postgres. The target is a copy and has the role too.
-- LANDFALL_ROLE is filled by `landfall export grants SPEC`; how the role logs in: rights.md.

-- observer: to look. Enough for `landfall assess`. A database that it may not enter is not watched.
create role LANDFALL_ROLE login;
grant pg_monitor to LANDFALL_ROLE;          -- sessions, settings and slots of others
do $$
declare one name;
begin
  for one in select datname from pg_database
             where datallowconn and not datistemplate and datname <> 'rdsadmin' loop
    execute format('grant connect on database %I to LANDFALL_ROLE', one);
  end loop;
end $$;

-- move: to fence, and to prove that the replica has everything.
grant pg_signal_backend to LANDFALL_ROLE;   -- end the sessions of the application
do $$                                       -- a schema landfall in each, with tables of ours alone
declare one name;
begin
  for one in select datname from pg_database
             where datallowconn and not datistemplate and datname <> 'rdsadmin' loop
    execute format('grant create on database %I to LANDFALL_ROLE', one);
  end loop;
end $$;
-- Smoke tests run as this role, read-only: grant it what they read.

-- way back: to replicate from the target to the fenced source. In each database of the move.
alter role LANDFALL_ROLE createrole;                        -- the role that the way back logs in as
grant rds_replication to LANDFALL_ROLE with admin option;   -- its slots
-- grant TABLE_OWNER to LANDFALL_ROLE;                      -- publish tables, and write to them
-- grant select, update on all sequences in schema SCHEMA to LANDFALL_ROLE;   -- those of other owners
-- grant pg_create_subscription to LANDFALL_ROLE;           -- PostgreSQL 16 and later
-- grant rds_superuser to LANDFALL_ROLE;                    -- PostgreSQL 15 and before, instead
