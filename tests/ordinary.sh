#!/bin/sh
# Runs the tests as an ordinary user, who may do less and takes other code paths; started by root. A test that only root
# can run is skipped with a message, whatever CI says, since root has run it already.
set -eu
cd "$(dirname "$0")/.."

# Left out are the tests that look at the file or the tree, and long ones that do not depend on the user.
TESTS='cli run stop plan ready notify daemon output files tty calls peers'

if [ "$(id -u)" -ne 0 ]; then
    echo "ordinary: only root can be another user; 'make test' runs the tests as you are" >&2
    exit 1
fi

# Built now, by root: the ordinary user may not write to `target`.
cargo build --quiet --example probe
# cargo prints a line of JSON for each file that it makes.
# shellcheck disable=SC2046,SC2086    # words
made=$(cargo test --no-run --message-format=json $(printf -- '--test %s ' $TESTS))
mkdir -p target/tmp
chmod 1777 target/tmp
worst=0
for test in $TESTS; do
    program=$(printf '%s\n' "$made" | sed -n "s/.*\"executable\":\"\\([^\"]*\\/$test-[0-9a-f]*\\)\".*/\\1/p")
    echo "ordinary: $test"
    setpriv --reuid=65534 --regid=65534 --clear-groups env -u CI HOME=/tmp "$program" --quiet || worst=1
done
exit $worst
