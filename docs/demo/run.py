#!/usr/bin/env python3
"""The demo: a container of three programs under pidlet, without a container engine.

    python3 docs/demo/run.py PATH/TO/pidlet        (`make demo` installs, builds and then does this)

Runs the plan in pidlet.conf (redis-server, a command that prepares it, a Python application, nginx) in a fresh PID
namespace where pidlet is PID 1, requests a few pages from the application through nginx, lets it fail with exit code 3,
and checks that the whole container ends with that code and that the other two programs were stopped properly, nginx
before Redis. Exit code 0: everything was as it should be.
"""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXIT_CODE = 3
START_SECONDS = 120  # both limits are for very slow machines: the demo waits for events, not for time
END_SECONDS = 120

FIRST_VISITOR = 1001  # the plan prepares Redis with a thousand visits


class Unexpected(Exception):
    """Something was not as the demo promises; the text says what."""


def namespaces():
    """The prefix that runs a command with a container's view of the machine, or nothing where that is forbidden."""
    command = "unshare --pid --fork --kill-child --mount-proc".split()
    if os.geteuid() != 0:
        command[1:1] = ["--user", "--map-current-user"]  # ordinary users may do this only in a user namespace
    tried = subprocess.run(command + ["true"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if tried.returncode == 0:
        return command
    why = tried.stderr.strip() or f"unshare ended with {tried.returncode}"
    if os.environ.get("CI") == "true":
        raise Unexpected(f"no new namespaces here: {why}")
    print(f"No new namespaces are allowed here ({why}).")
    print("So pidlet runs as an ordinary process this time: not being PID 1, it does the same work as a subreaper.\n")
    return []


def free_port(wanted=8080):
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise Unexpected("no free port on 127.0.0.1")


def ask(url):
    # Ignores the environment's proxy: the address is this machine's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=END_SECONDS) as answer:
        return answer.read().decode().rstrip()


def ask_once_listening(url, container):
    """The first answer. nginx starts last, when all others are up: once it listens, the first request must succeed."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return ask(url)
        except urllib.error.HTTPError as error:
            raise Unexpected(f"nginx ran before what it is after was up: {error}") from None
        except OSError as error:
            last = error
        if container.poll() is not None:
            raise Unexpected(f"the container ended with {container.returncode} before it answered")
        if time.monotonic() > deadline:
            raise Unexpected(f"no answer within {START_SECONDS} s; the last try said: {last}")
        time.sleep(0.02)


def show(text):
    print("".join(f"     {line}".rstrip() + "\n" for line in text.splitlines()))


def demo(pidlet, state, log):
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    conf = (HERE / "nginx.conf").read_text()
    (state / "nginx.conf").write_text(conf.replace("127.0.0.1:8080", f"127.0.0.1:{port}"))
    for name in ("app.py", "pidlet.conf"):
        shutil.copy(HERE / name, state)

    outside = namespaces()
    inside = ["-c", "pidlet.conf"]
    print("1. Start a container: nginx passes requests to a Python application, which counts them in Redis.")
    print(f"   pidlet{' is PID 1 and' if outside else ''} starts each when the one that it is after is up. The plan:\n")
    show((state / "pidlet.conf").read_text())
    show("$ " + " ".join([*outside, "pidlet", *inside]))

    with open(log, "wb") as output:
        container = subprocess.Popen(
            [*outside, pidlet, *inside],
            cwd=state,
            env={**os.environ, "PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        print(f"2. Ask through nginx, at {base}/\n")
        answers = [ask_once_listening(base, container), ask(base), ask(base)]
        show("\n".join(answers))
        expected = range(FIRST_VISITOR, FIRST_VISITOR + len(answers))
        if answers != [f"Hello, visitor number {number}" for number in expected]:
            raise Unexpected(f"Redis was not prepared, or did not count the visitors from {FIRST_VISITOR} on")

        print("3. The processes inside: who is who\n")
        show(ask(f"{base}/processes"))

        print(f"4. Let the application fail: {base}/exit?code={EXIT_CODE}. From here on the container says:\n")
        said_before = log.stat().st_size
        asked = time.monotonic()
        try:
            ask(f"{base}/exit?code={EXIT_CODE}")
        except (OSError, http.client.HTTPException):
            pass  # nginx may be stopped before it has passed on the answer
        try:
            code = container.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise Unexpected(f"the container still runs {END_SECONDS} s after the application's end") from None
        took = time.monotonic() - asked
    finally:
        if container.poll() is None:
            stop(container, bool(outside))

    said = log.read_text(errors="replace")[said_before:]
    show(said)
    return check(code, said, took)


def stop(container, in_namespace):
    """Ends a container that did not end by itself."""
    # With --kill-child the namespace's PID 1 dies with `unshare`, and everything inside dies with PID 1.
    # Without a namespace `container` is pidlet, which stops what it started, and kills it on a second signal.
    if in_namespace:
        container.kill()
    else:
        container.terminate()
        try:
            container.wait(15)
        except subprocess.TimeoutExpired:
            container.terminate()
    container.wait()


def check(code, said, took):
    """Compares the end with what the demo promises, line by line; true if all of it holds."""
    last = said.rstrip().rpartition("\n")[2]
    reason = rf"pidlet: app \(pid \d+\) exited with code {EXIT_CODE} after .*; container exits {EXIT_CODE}"
    nginx = re.search(r"^nginx \| .*\[notice\] [0-9#]+: exit$", said, re.MULTILINE)
    redis = re.search(r"^redis \| .*bye bye", said, re.MULTILINE)
    asked = re.search(r"^redis \| .*SIGTERM", said, re.MULTILINE)
    lines = said.splitlines()
    named = all(re.match(r"(redis|app|nginx) \| |pidlet: ", line) for line in lines)
    promises = [
        (f"the container ended with the application's exit code: {code}", code == EXIT_CODE),
        ("pidlet's last line says who ended it, and why", re.fullmatch(reason, last)),
        ("nginx was stopped gracefully (\"exit\")", nginx),
        ("Redis was stopped gracefully (\"bye bye\")", redis),
        ("Redis was told to stop only when nginx had ended", nginx and asked and nginx.end() < asked.start()),
        ("every line says whose it is", named),
        (f"all that took {took:.2f} s of the 10 s that --grace allows", took < 10),
    ]
    print("5. As promised?\n")
    show("\n".join(f"{'yes' if held else 'NO '}  {promise}" for promise, held in promises))
    return all(held for _, held in promises)


def main():
    sys.stdout.reconfigure(line_buffering=True)  # in order with stderr where both go to one file
    if len(sys.argv) != 2:
        sys.exit("usage: run.py PATH/TO/pidlet")
    pidlet = os.path.abspath(sys.argv[1])
    if not os.access(pidlet, os.X_OK):
        sys.exit(f"demo: {pidlet}: not an executable file; `make build` makes it")
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"  # Debian's nginx is outside an ordinary user's PATH
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the clean-up below happens on SIGTERM too

    with tempfile.TemporaryDirectory(prefix="pidlet-demo.") as name:
        state, log = Path(name), Path(name, "container.log")
        state.chmod(0o711)  # nginx's worker reaches the application's socket in it
        try:
            held = demo(pidlet, state, log)
        except Unexpected as unexpected:
            if log.exists():
                show(log.read_text(errors="replace"))
            sys.exit(f"demo: {unexpected}")
        except KeyboardInterrupt:
            sys.exit(130)
    print("The demo was as promised; nothing of it is left behind." if held else "demo: not as promised, see NO above")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
