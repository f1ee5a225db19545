#!/usr/bin/env bash
# box.sh v1|v2|hyb|auto COMMAND [ARG]... : runs COMMAND where container engines can do no harm to the machine: in PID,
# mount, IPC, UTS, network and cgroup namespaces of its own, in a cgroup of its own, with an empty /run and a fresh
# view of the cgroups: v1 alone, v2 alone, or both (hybrid). `auto` is v2 on a machine that has only v2, and v1
# otherwise. Nothing inside can see or signal a process outside, and everything inside ends with COMMAND. Exit code:
# COMMAND's. Needs root.
#
# COMMAND gets PIDLET_BOX, which holds the view and its PID namespace and so proves that it is in a box, and
# PIDLET_BOX_DIR, an empty directory on disk below `target`, which is removed at the end.
set -euo pipefail

cgroups=/sys/fs/cgroup

fail() {
    echo "box: $*" >&2
    exit 99
}

# ---- inside: we are the first process of the new namespaces -----------------------------------------

# A cgroup that enables controllers for its children may not hold a process itself.
view_v2() {
    mount -t cgroup2 cgroup2 "$cgroups"
    mkdir "$cgroups"/inside
    echo 0 >"$cgroups"/inside/cgroup.procs
    read -ra controllers <"$cgroups"/cgroup.controllers || true
    for name in "${controllers[@]}"; do
        echo "+$name" >"$cgroups"/cgroup.subtree_control
    done
}

view_v1() {
    mount -t tmpfs -o mode=755 cgroup "$cgroups"
    while read -r name hierarchy _ enabled; do
        if [ "$enabled" = 1 ] && [ "$hierarchy" != 0 ]; then
            mkdir "$cgroups/$name"
            mount -t cgroup -o "$name" "$name" "$cgroups/$name"
        fi
    done < <(tail -n +2 /proc/cgroups)
    mkdir "$cgroups"/systemd
    mount -t cgroup -o none,name=systemd systemd "$cgroups"/systemd
}

view_hyb() {
    view_v1
    mkdir "$cgroups"/unified
    mount -t cgroup2 cgroup2 "$cgroups"/unified
}

if [ "${1-}" = --inside ]; then
    view=$2
    shift 2
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -m 1777 /run/lock
    umount -R -l "$cgroups"
    case $view in
        v1) view_v1 ;;
        v2) view_v2 ;;
        hyb) view_hyb ;;
    esac
    ip link set lo up
    PIDLET_BOX="$view $(readlink /proc/self/ns/pid)"
    export PIDLET_BOX
    # Without exec: the shell stays PID 1 and reaps the orphans that engines leave behind.
    code=0
    "$@" || code=$?
    exit $code
fi

# ---- outside ----------------------------------------------------------------------------------------

[ $# -ge 2 ] || fail 'usage: box.sh v1|v2|hyb|auto COMMAND [ARG]...'
[ "$(id -u)" -eq 0 ] || fail 'container engines get namespaces and cgroups of their own here, which needs root'
view=$1
shift

# The machine's cgroup trees: a single one, or one for each hierarchy.
if [ "$(stat -f -c %T "$cgroups")" = cgroup2fs ]; then
    trees=("$cgroups")
    [ "$view" != auto ] || view=v2
    [ "$view" = v2 ] || fail "this machine has cgroup v2 alone, so the view can only be v2, not $view"
else
    # A symbolic link is another name of a tree that is also listed under its full name.
    mapfile -t trees < <(find "$cgroups" -mindepth 1 -maxdepth 1 -type d)
    [ "$view" != auto ] || view=v1
fi
case $view in v1 | v2 | hyb) ;; *) fail "there is no view $view" ;; esac

box=pidlet-box.$$
self=$(cd "$(dirname "$0")" && pwd)/box.sh
export PIDLET_BOX_DIR=${CARGO_TARGET_DIR:-${self%/tests/engines/box.sh}/target}/$box

# shellcheck disable=SC2317    # the trap calls it
clean_up() {
    for tree in "${trees[@]}"; do
        # Processes that were killed with the box may take a moment to die.
        for _ in {1..100}; do
            find "$tree/$box" -depth -type d -exec rmdir {} \; 2>/dev/null || true
            [ -e "$tree/$box" ] || break
            sleep 0.1
        done
    done
    rm -rf "$PIDLET_BOX_DIR"
}
trap clean_up EXIT

mkdir -p "$PIDLET_BOX_DIR"
for tree in "${trees[@]}"; do
    mkdir "$tree/$box"
    # A new cpuset admits no process until these are set.
    for file in cpuset.cpus cpuset.mems; do
        if [ "$tree" != "$cgroups" ] && [ -e "$tree/$file" ]; then
            cat "$tree/$file" >"$tree/$box/$file"
        fi
    done
done

(
    for tree in "${trees[@]}"; do
        echo $BASHPID >"$tree/$box/cgroup.procs"
    done
    # When we end, so does `unshare`, with it the first process of the box, and so everything inside.
    exec setpriv --pdeathsig KILL \
        unshare --mount --propagation private --pid --fork --mount-proc --kill-child --cgroup --ipc --uts --net \
        "$self" --inside "$view" "$@"
) <&0 &
child=$!
trap 'kill -KILL $child 2>/dev/null || true' HUP INT TERM
code=0
wait $child || code=$?
exit $code
