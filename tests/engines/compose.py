#!/usr/bin/env python3
"""compose.py SERVICE <FILE: prints the `docker run` that a service of a Compose file stands for, one word per line.

The image of a service with `build` is called `built`. An unknown key is an error, so that none is left out.
"""

import sys

import yaml

OPTIONS = {
    "cap_drop": "--cap-drop",
    "read_only": "--read-only",
    "init": "--init",
    "restart": "--restart",
    "security_opt": "--security-opt",
    "stop_signal": "--stop-signal",
    "user": "--user",
}


def words(service):
    image = service.pop("image", "built")
    service.pop("build", None)
    command = service.pop("command", [])
    for name, value in service.pop("environment", {}).items():
        if not isinstance(value, str):
            sys.exit(f"{name}: {value!r} is not a string for YAML")
        yield from ("--env", f"{name}={value}")
    if "stop_grace_period" in service:
        seconds = service.pop("stop_grace_period").removesuffix("s")
        yield from ("--stop-timeout", str(int(seconds)))
    for key, value in service.items():
        if value is True:
            yield OPTIONS[key]
            continue
        for each in value if isinstance(value, list) else [value]:
            yield from (OPTIONS[key], each)
    yield image
    yield from command


print(*words(yaml.safe_load(sys.stdin)["services"][sys.argv[1]]), sep="\n")
