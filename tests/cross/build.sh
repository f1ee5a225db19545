#!/usr/bin/env bash
# build.sh WHAT TARGET... : builds for other architectures, cached below target/cross, and prints a line for each result.
#
#   build.sh pidlet TARGET...   the program, as users build it: TARGET PATH
#   build.sh numbers TARGET...  compares the kernel's numbers in the source with the kernel's headers (numbers.py)
#   build.sh tests TARGET [NAME...]
#                               the integration tests (all, or those of tests/NAME.rs) and their payload as static
#                               executables for a machine of that architecture with nothing else on it: NAME PATH, where
#                               the payload is called `probe`. Only for aarch64-unknown-linux-gnu.
#
# On that machine the variables PIDLET_BINARY and PIDLET_PROBE say where the program and the payload are; the tests make
# their temporary directories below the path that target/cross/build/tmp has here.
set -euo pipefail
cd "$(dirname "$0")/../.."
settings=$(tests/cross/toolchain.sh)
eval "$settings"

# The name of cargo's variable `$2` for a target.
variable() { echo "CARGO_TARGET_$(echo "$1" | tr a-z- A-Z_)_$2"; }

# Those of the given targets whose core comes from `$1`, according to the list.
from() {
    local source=$1 target
    shift
    for target; do
        awk -v target="$target" -v source="$source" '$1 == target && $4 == source { print $1 }' tests/cross/targets
    done
}

# build FLAGS TARGET... : runs cargo with these flags for these targets, if there are any.
build() {
    local flags=$1 target arguments=()
    shift
    [ $# -gt 0 ] || return 0
    for target; do
        arguments+=(--target "$target")
        # As RUSTFLAGS, which reach only what is built for the target: what is built to run here is linked as usual.
        export "$(variable "$target" RUSTFLAGS)=-Clinker=$CROSS_LLD"
    done
    # shellcheck disable=SC2086    # flags are words
    "${CARGO:-cargo}" $flags --quiet "${arguments[@]}" >&2
}

# all FLAGS TARGET... : the same for all targets, with `core` from where the list says.
all() {
    local flags=$1
    shift
    # shellcheck disable=SC2046    # targets are words
    build "$flags" $(from std "$@")
    # shellcheck disable=SC2046
    build "$flags -Zbuild-std=core,alloc" $(from source "$@")
}

pidlet() {
    all 'build --release --bin pidlet' "$@"
    for target; do
        echo "$target $CARGO_TARGET_DIR/$target/release/pidlet"
    done
}

numbers() {
    local crate=target/cross/numbers target pairs=()
    for target; do
        pairs+=("$target=$(awk -v target="$target" '$1 == target { print $3 }' tests/cross/targets)")
    done
    python3 tests/cross/numbers.py target/cross/headers $crate "${pairs[@]}"
    all "check --manifest-path $crate/Cargo.toml" "$@"
}

tests() {
    local target=$1 name names=()
    shift
    for name in "${@:-*}"; do
        names+=(--test "$name")
    done
    export "$(variable "$target" LINKER)=$PWD/tests/cross/static-ld"
    export "$(variable "$target" RUSTFLAGS)=-Ctarget-feature=+crt-static"
    export CARGO_TARGET_DIR=$CARGO_TARGET_DIR/static
    # The size and speed of these do not matter; the program under test is another one.
    export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
    "${CARGO:-cargo}" build --quiet --release --example probe --target "$target" >&2
    echo "probe $CARGO_TARGET_DIR/$target/release/examples/probe"
    local said
    said=$("${CARGO:-cargo}" test --no-run --release "${names[@]}" --target "$target" 2>&1) || { echo "$said" >&2; exit 1; }
    sed -n "s|^ *Executable tests.\\([a-z]*\\).* (\\(.*\\))\$|\\1 $PWD/\\2|p" <<<"$said" | sed "s|$PWD//|/|"
}

what=$1
shift
case $what in
    pidlet | numbers | tests) "$what" "$@" ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 1 ;;
esac
