#!/usr/bin/env bash
# fuzz.sh SECONDS [TARGET...]: fuzzes the targets, or all that there are, each for so many seconds, from the inputs in corpus/
# and those that were found before. 0 seconds: only plays the inputs in corpus/, which is the same every time.
#
# What libFuzzer counts by are instructions of the compiler's own pass, which a stable Rust runs as well: there is no need of
# cargo-fuzz, of a nightly, or of RUSTC_BOOTSTRAP. What these would add is AddressSanitizer, and the library holds no unsafe
# code. `cargo +nightly fuzz run --fuzz-dir tests/fuzz TARGET` works all the same.
#
# Everything that comes of it is in target/fuzz: inputs that reach something new in corpus/, those that fail in artifacts/.
# To see one again: TELL=1 target/fuzz/HOST/release/TARGET FILE.
set -euo pipefail
seconds=$1
shift
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/tests/fuzz
out=$top/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')

sancov='-Cpasses=sancov-module'
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    sancov="$sancov -Cllvm-args=-sanitizer-coverage-$option"
done
# With --target the build scripts are not instrumented: they could not be linked.
(cd "$here" && CARGO_TARGET_DIR=$out RUSTFLAGS=$sancov "${CARGO:-cargo}" build --quiet --release --target "$host")

if [ $# -eq 0 ]; then
    set -- "$here"/fuzz_targets/*.rs
    set -- "${@##*/}"
fi
for target; do
    target=${target%.rs}
    found=$out/corpus/$target
    failed=$out/artifacts/$target
    mkdir -p "$found" "$failed"
    how=(-max_total_time="$seconds" "$found")
    [ "$seconds" -gt 0 ] || how=(-runs=0)
    log=$out/$target.log
    "$out/$host/release/$target" -dict="$here/fuzz.dict" -artifact_prefix="$failed/" -timeout=25 -max_len=4096 \
        -print_final_stats=1 -verbosity=1 "${how[@]}" "$here/corpus/$target" >"$log" 2>&1 || {
        grep -v -e ' NEW ' -e ' REDUCE ' -e ' pulse ' "$log" | tail -n 40
        echo "fuzz: $target FAILED; all that it said is in $log" >&2
        exit 1
    }
    echo "fuzz: $target: $(grep -E '(DONE|INITED) ' "$log" | tail -n 1 | sed 's/^#\([0-9]*\)[^c]*/\1 inputs, /')"
done
