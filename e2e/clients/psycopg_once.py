"""One connection by psycopg 3, as its defaults are: who answered, and whether TLS was in use.

The environment says where (PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE).
"""

import json

import psycopg

with psycopg.connect() as connection:
    port, tls = connection.execute(
        "select inet_server_port(), ssl from pg_stat_ssl where pid = pg_backend_pid()"
    ).fetchone()
print(json.dumps({"port": port, "tls": tls}))
