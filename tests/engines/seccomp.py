"""The seccomp profile of Podman and CRI-O in an OCI runtime's format, for a process without capabilities.

    seccomp.py PROFILE ERRNO    system calls that the profile does not list fail with ERRNO

Their own profile has 38, ENOSYS; Docker's and containerd's, which list nearly the same calls, have 1, EPERM.
"""

import json
import platform
import sys

ARCHITECTURES = {
    "x86_64": ("amd64", ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
    "aarch64": ("arm64", ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]),
}


def holds(rule: dict, architecture: str) -> bool:
    """Whether a rule is for this architecture and for a process without capabilities."""
    only, never = rule.get("includes") or {}, rule.get("excludes") or {}
    return (
        not only.get("caps")
        and architecture in only.get("arches", [architecture])
        and architecture not in never.get("arches", [])
    )


def main() -> None:
    path, errno = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        profile = json.load(file)
    architecture, known = ARCHITECTURES[platform.machine()]
    wanted = ("names", "action", "args", "errnoRet")
    rules = [rule for rule in profile["syscalls"] if holds(rule, architecture)]
    result = {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": int(errno),
        "architectures": known,
        "syscalls": [{key: rule[key] for key in wanted if rule.get(key)} for rule in rules],
    }
    json.dump(result, sys.stdout)


main()
