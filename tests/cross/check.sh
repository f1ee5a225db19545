#!/usr/bin/env bash
# check.sh : what `make cross` does. Builds the program for every architecture of the list, compares the kernel's numbers in
# the source with the kernel's headers, runs the integration tests on the architectures that run here, and prints the sizes.
set -euo pipefail
cd "$(dirname "$0")/../.."
limit=${SIZE_LIMIT:?}
failed=

mapfile -t targets < <(awk '!/^#/ { print $1 }' tests/cross/targets)
echo "cross: building for ${#targets[@]} architectures"
built=$(tests/cross/build.sh pidlet "${targets[@]}")

tests/cross/build.sh numbers "${targets[@]}" || failed=" numbers"

# The tests themselves are native programs, built with the machine's own toolchain.
"${CARGO:-cargo}" build --quiet --example probe
names=(elf cli run stop plan ready notify daemon output files tty)
said=$("${CARGO:-cargo}" test --no-run "${names[@]/#/--test=}" 2>&1) || { echo "$said" >&2; exit 1; }
executable() { sed -n "s|^ *Executable tests.$1\.rs (\(.*\))|\1|p" <<<"$said"; }

# count WHAT : the number of tests in $output with that result, 0 if it says none.
count() { sed -n "s/^test result: .* \([0-9]*\) $1.*/\1/p" "$output" | grep . || echo 0; }

# An emulator on a loaded machine is slow and not always faultless, so tests that failed under it are tried once more, one
# at a time. second_try COMMAND... : the failed tests of $output, run by COMMAND again.
second_try() {
    mapfile -t wrong < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$output")
    [ ${#wrong[@]} -gt 0 ] || return 1
    echo "cross: $target, emulated: a second try of ${wrong[*]}"
    PIDLET_BINARY=$binary "$@" --exact "${wrong[@]}" --test-threads=1 >"$output.again" 2>&1
}

# run_tests HOW TARGET COMMAND... : the integration tests with the target's program, run by COMMAND, except for those that
# tests/cross/left-out lists for HOW.
run_tests() {
    local how=$1 target=$2 passed=0 failures=
    shift 2
    local binary=$PWD/target/cross/build/$target/release/pidlet output=target/cross/output
    local name file skip wrong
    for name in "${names[@]}"; do
        file=$(realpath "$(executable "$name")")
        mapfile -t skip < <(awk -v how="$how" -v name="$name" '$1 == how && $2 == name { print "--skip=" $3 }' \
            tests/cross/left-out)
        if ! PIDLET_BINARY=$binary "$@" "$file" --exact "${skip[@]}" >"$output" 2>&1; then
            sed "s/^/$target: /" "$output" >&2
            if [ "$how" = emulated ] && second_try "$@" "$file"; then
                passed=$((passed + ${#wrong[@]}))
            else
                failures="$failures $name"
            fi
        fi
        if [ "$(count 'filtered out')" -ne ${#skip[@]} ]; then
            echo "cross: tests/cross/left-out names tests of $name that do not exist" >&2
            failures="$failures $name"
        fi
        passed=$((passed + $(count passed)))
    done
    echo "cross: $target, $how: $passed tests passed${failures:+, FAILED in:$failures}"
    [ "$passed" -gt 100 ] && [ -z "$failures" ] || failed="$failed $target"
}

# Natively, most of a test is waiting.
run_tests native i686-unknown-linux-gnu env RUST_TEST_THREADS=$((2 * $(nproc)))
for target in riscv64gc-unknown-linux-gnu thumbv7neon-unknown-linux-gnueabihf arm-unknown-linux-gnueabi; do
    run_tests emulated "$target" tests/cross/emulated
done
grep '^[a-z]' tests/cross/left-out | sed 's/^/cross: left out: /'

echo
printf '%-34s %s\n' architecture 'bytes'
while read -r target path; do
    bytes=$(stat -c %s "$path")
    printf '%-34s %6d\n' "$target" "$bytes"
    [ "$bytes" -le "$limit" ] || failed="$failed $target(size)"
done <<<"$built"
[ -z "$failed" ] || { echo "cross: FAILED:$failed" >&2; exit 1; }
