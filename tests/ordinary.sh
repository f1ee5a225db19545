#!/bin/sh
# Has root run the tests as an ordinary user, who may do less and goes other ways. What only root can do is left out aloud,
# whatever CI says: root has done it.
set -eu
cd "$(dirname "$0")/.."

# Not those that look at the file or at the tree, nor those that take long and ask nothing of who we are.
TESTS='cli run stop plan ready notify daemon output files tty calls peers'

if [ "$(id -u)" -ne 0 ]; then
    echo "ordinary: only root can be another user; 'make test' runs the tests as you are" >&2
    exit 1
fi

# Who is no root has no room for it.
cargo build --quiet --example probe
# cargo's words are a line of JSON for each file that it makes.
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
