"""The demo's application: counts its visits in Redis. It needs only the standard library.

/             counts one more visit
/processes    the process tree, as seen from inside the container
/exit?code=N  ends the application with that exit code, to see how the container reacts
"""

import http.server
import os
import socket
import socketserver
from urllib.parse import parse_qs, urlsplit


def redis(*words):
    """Sends one command in Redis' own protocol and returns the reply's first line."""
    command = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("redis.sock")
        connection.sendall(command)
        return connection.makefile("rb").readline().strip()


def processes():
    """pidlet, which started us, and its descendants: one indented line for each process."""
    children, titles = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as stat, open(f"/proc/{pid}/cmdline") as cmdline:
                parent = stat.read().rpartition(")")[2].split()[1]
                titles[pid] = cmdline.read().replace("\0", " ").strip()
        except OSError:
            continue  # it ended while we looked
        children.setdefault(parent, []).append(pid)

    def lines(pid, depth):
        title = titles[pid] if len(titles[pid]) <= 66 else titles[pid][:63] + "..."
        yield f"{pid:>7}  {'  ' * depth}{title}"
        for child in sorted(children.get(pid, []), key=int):
            yield from lines(child, depth + 1)

    return "\n".join(lines(str(os.getppid()), 0))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/processes":
            self.answer(200, processes())
        elif url.path == "/exit":
            self.answer(200, "goodbye")
            os._exit(int(parse_qs(url.query)["code"][0]))  # sys.exit would end this thread only
        elif url.path == "/":
            try:
                visits = redis(b"INCR", b"visits").decode().lstrip(":")
                self.answer(200, f"Hello, visitor number {visits}")
            except OSError as error:
                self.answer(503, f"Redis does not answer: {error}")
        else:
            self.answer(404, "no such page")

    def answer(self, code, text):
        body = text.encode() + b"\n"
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


with Server("app.sock", Handler) as server:
    server.serve_forever()
