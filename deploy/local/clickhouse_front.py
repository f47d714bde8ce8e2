#!/usr/bin/env python3
"""A front that speaks ClickHouse's HTTP interface over chDB, the ClickHouse engine as a library.

What it is: one machine's ClickHouse for tests and for trying Headcount out, without a server to
install. Needs Python 3.9 or later and `pip install --no-deps chdb-core==26.9.0`; nothing else.

What it is not: a server. There is one user, no roles, no TLS, no list of running queries by id, and
a body is held in memory whole. It listens on the loopback interface only.

What surprises: every request has a connection of its own to the engine, because settings belong to
a connection; one more is held open for the life of the process, or the engine would stop between
requests.

    clickhouse_front.py [--path DIRECTORY] [--port 8123] [--password TEXT] [--config FILE]
                        [--while-stdin]

prints `ready VERSION PORT` when it listens (port 0 takes a free one). Without a directory the data
is temporary. SIGTERM and Ctrl-C stop it, and with --while-stdin the end of its input does: running
requests are finished, then the engine is closed.
"""

import argparse
import email.parser
import email.policy
import hmac
import re
import signal
import sys
import tempfile
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

try:
    from chdb import _chdb
except ImportError:
    sys.exit("chdb is missing: python3 -m pip install --no-deps chdb-core==26.9.0")

BODY_BYTES_MAX = 1 << 30
# Seconds a client may be silent: longer than any client keeps an idle connection.
IDLE_SECONDS = 300
# Arguments of the address that are no settings of a query.
NOT_SETTINGS = {
    "query", "database", "default_format", "query_id", "session_id", "session_check",
    "session_timeout", "user", "password", "role", "quota_key", "compress", "decompress",
    "wait_end_of_query", "buffer_size", "stacktrace", "close_session", "client_protocol_version",
}
# INSERT INTO t(a, b) [SETTINGS ...] FORMAT name: the rows are what follows in the body.
INSERT_OF_ROWS = re.compile(r"^\s*(INSERT\s+INTO\s.+?)\sFORMAT\s+(\w+)\s*$", re.S | re.I)
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
EXCEPTION_CODE = re.compile(r"Code: (\d+)")


class BadRequest(Exception):
    """What the client sent is no request to ClickHouse."""


class Failure(Exception):
    """What ClickHouse would answer with another status than 200."""

    def __init__(self, status, code, text):
        super().__init__(text)
        self.status, self.code = status, code


def text_literal(value):
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(value):
    return "`" + value.replace("\\", "\\\\").replace("`", "\\`") + "`"


class Engine:
    """The engine of one directory."""

    def __init__(self, path, config):
        self.address = path + (f"?config-file={config}" if config else "")
        self.keeper = _chdb.connect(self.address)
        self.version = self.keeper.query("SELECT version()", "TSV").bytes().decode().strip()

    def run(self, database, settings, call):
        """One request: a connection, its database and settings, then `call(connection)`."""
        connection = _chdb.connect(self.address)
        try:
            if database:
                connection.query("USE " + identifier(database), "Null")
            # `readonly` last: it forbids every other change.
            for name in sorted(settings, key=lambda name: name == "readonly"):
                if not NAME.match(name):
                    raise BadRequest("a setting's name is not a name")
                connection.query(f"SET {name} = {text_literal(settings[name])}", "Null")
            return call(connection)
        finally:
            connection.close()

    def close(self):
        self.keeper.close()


def select(connection, sql, form, params):
    answer = connection.query(sql, form, params=params)
    return bytes(answer.bytes()), 0


def insert(connection, statement, form, rows):
    handle = connection.send_insert(statement, form)
    try:
        if rows:
            connection.insert_append(handle, rows)
    except BaseException:
        connection.insert_cancel(handle)
        raise
    done = connection.insert_done(handle)
    return b"", done.rows_written()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        """Requests carry pages and hosts; they are not logged."""

    def do_GET(self):
        if urllib.parse.urlsplit(self.path).path == "/ping":
            self.reply(200, b"Ok.\n")
        else:
            self.reply(405, b"POST your query\n")

    def do_POST(self):
        try:
            body = self.read_body()
        except (BadRequest, OSError, ValueError):
            # A body cut short: nothing of it may be written.
            self.close_connection = True
            return
        server = self.server
        server.begin()
        try:
            self.serve(body)
        finally:
            server.end()

    def serve(self, body):
        try:
            self.authenticate()
            answer, written = self.answer(body)
        except BadRequest as error:
            self.reply(400, f"Code: 36. DB::Exception: {error} (BAD_ARGUMENTS)\n".encode(), code=36)
        except Failure as error:
            self.reply(error.status, str(error).encode(), code=error.code)
        except Exception as error:  # every exception of the engine is a RuntimeError
            text = str(error)
            code = EXCEPTION_CODE.search(text)
            code = int(code.group(1)) if code else 1001
            status = 404 if code in (60, 81) else 403 if code in (164, 497) else 500
            self.reply(status, text.encode(), code=code)
        else:
            self.reply(200, answer, written=written)

    def authenticate(self):
        wanted = self.server.password
        given = self.headers.get("X-ClickHouse-Key", "")
        if wanted is not None and not hmac.compare_digest(wanted.encode(), given.encode()):
            user = self.headers.get("X-ClickHouse-User", "default")
            raise Failure(
                403, 516,
                f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, "
                "or there is no user with such name. (AUTHENTICATION_FAILED)\n",
            )

    def answer(self, body):
        args = urllib.parse.parse_qsl(
            urllib.parse.urlsplit(self.path).query, keep_blank_values=True
        )
        args = dict(args)
        if args.get("decompress", "0") != "0":
            raise BadRequest("compressed bodies are not taken here; turn compression off")
        params = {k[len("param_"):]: v for k, v in args.items() if k.startswith("param_")}
        settings = {
            k: v for k, v in args.items() if k not in NOT_SETTINGS and not k.startswith("param_")
        }
        content_type = self.headers.get("Content-Type", "")
        if content_type.startswith("multipart/form-data"):
            fields = multipart(content_type, body)
            query = fields.pop("query", b"").decode()
            params.update(
                (name[len("param_"):], value.decode("utf-8", "surrogateescape"))
                for name, value in fields.items() if name.startswith("param_")
            )
            body = b""
        elif "query" in args:
            query = args["query"]
        else:
            query, body = body.decode(), b""
        form = args.get("default_format", "TabSeparated")
        rows_follow = INSERT_OF_ROWS.match(query)
        if rows_follow:
            statement, form = rows_follow.groups()
            return self.server.engine.run(
                args.get("database"), settings, lambda it: insert(it, statement, form, body)
            )
        return self.server.engine.run(
            args.get("database"), settings, lambda it: select(it, query, form, params)
        )

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.read_exactly(int(self.headers.get("Content-Length", "0")))
        body = bytearray()
        while True:
            size = int(self.rfile.readline(1024).split(b";")[0], 16)
            if len(body) + size > BODY_BYTES_MAX:
                raise BadRequest("body too large")
            chunk = self.read_exactly(size)
            if self.rfile.readline(3) != b"\r\n":
                raise BadRequest("a chunk has no end")
            if size == 0:
                return bytes(body)
            body += chunk

    def read_exactly(self, size):
        if size > BODY_BYTES_MAX:
            raise BadRequest("body too large")
        read = self.rfile.read(size)
        if len(read) != size:
            raise BadRequest("the body ended early")
        return read

    def reply(self, status, body, written=0, code=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Summary", f'{{"written_rows":"{written}"}}')
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def multipart(content_type, body):
    """The fields of a form, as bytes."""
    head = b"Content-Type: " + content_type.encode() + b"\r\n\r\n"
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    boundary = form.get_boundary()
    if boundary is None:
        raise BadRequest("the form has no boundary")
    fields = {}
    # Values may hold any byte, line ends too, so the parts are cut by hand.
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:-1]:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name is None:
            raise BadRequest("a part of the form has no name")
        fields[name.group(1).decode()] = value
    return fields


class Front(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, engine, password):
        super().__init__(("127.0.0.1", port), Handler)
        self.engine, self.password = engine, password
        self.running, self.idle = 0, threading.Condition()

    def begin(self):
        with self.idle:
            self.running += 1

    def end(self):
        with self.idle:
            self.running -= 1
            self.idle.notify_all()

    def handle_error(self, request, client_address):
        """A client that went away; its request is not worth a trace."""

    def wait_until_idle(self):
        with self.idle:
            self.idle.wait_for(lambda: self.running == 0, timeout=30)


def main():
    args = argparse.ArgumentParser(description="ClickHouse's HTTP interface over chDB")
    args.add_argument("--path", help="directory of the data; temporary without")
    args.add_argument("--port", type=int, default=8123)
    args.add_argument("--password", help="refuse every other one")
    args.add_argument("--config", help="a configuration file for the engine")
    args.add_argument("--while-stdin", action="store_true", help="stop when stdin ends")
    args = args.parse_args()
    if args.path:
        serve(args, args.path)
    else:
        with tempfile.TemporaryDirectory(prefix="headcount-clickhouse-") as path:
            serve(args, path)


def serve(args, path):
    engine = Engine(path, args.config)
    front = Front(args.port, engine, args.password)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=front.shutdown).start())
    if args.while_stdin:
        threading.Thread(target=lambda: (sys.stdin.read(), front.shutdown()), daemon=True).start()
    print("ready", engine.version, front.server_address[1], flush=True)
    front.serve_forever(poll_interval=0.05)
    front.server_close()
    front.wait_until_idle()
    engine.close()


if __name__ == "__main__":
    main()
