"""Writers over a psycopg pool, with a ledger of what each of them was told.

Arguments: the ledger, and a file whose appearance ends the writers. One JSON object a line:
{"id", "port"} for a row whose commit was acknowledged by the server at that port, {"id", "error",
"sqlstate"} for one whose fate is unknown. An id is used once: nothing is tried again under it.
The pool is used as its documentation shows, without a check of its connections.
"""

import itertools
import json
import pathlib
import sys
import threading

import psycopg
from psycopg_pool import ConnectionPool

WRITERS = 4
PAUSE = 0.005  # of each writer between two writes: the machine has other work too

ledger_path, end = sys.argv[1], pathlib.Path(sys.argv[2])
ids = itertools.count(1)
ledger = open(ledger_path, "a", encoding="utf-8")
lock = threading.Lock()


def tell(**entry):
    with lock:
        print(json.dumps(entry), file=ledger, flush=True)


def write(pool):
    while not end.exists():
        with lock:
            row = next(ids)
        try:
            with pool.connection() as connection:
                statement = "insert into ledger (id) values (%s) returning inet_server_port()"
                (port,) = connection.execute(statement, (row,)).fetchone()
            tell(id=row, port=port)
        except psycopg.Error as error:
            tell(id=row, error=type(error).__name__, sqlstate=error.sqlstate)
        ended.wait(PAUSE)


ended = threading.Event()
with ConnectionPool("", min_size=WRITERS, max_size=WRITERS, timeout=60) as pool:
    pool.wait(60)
    writers = [threading.Thread(target=write, args=(pool,)) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
