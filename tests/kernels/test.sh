#!/usr/bin/env bash
# test.sh ARCHITECTURE... : boots Debian's kernel for amd64 or arm64 in an emulated machine, with pidlet as the machine's
# real PID 1, and runs the integration tests in it; for arm64 in two machines, one of them for 32-bit code on the same kernel.
# As many machines run side by side as there are processors. Everything is cached below target/kernels.
#
# The kernel is that of the host's own release of Debian, or of the one that the variable SUITE names (`bullseye`,
# `trixie-backports`, `sid`); the programs beside it come from the host's release in any case. A kernel is fetched once: to
# get a newer one, remove it.
#
# The kernel's command line, or /etc/pidlet.conf in the machine, tells pidlet what to run. When PID 1 ends, the kernel
# panics and prints its status, which shows the container's end and its exit code. The output of the tests comes over the
# serial line. Nothing is installed in the machine: its programs are unpacked from Debian's packages, beside busybox.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/kernels
cache=$PWD/target/kernels
SUITE=${SUITE-}
kernel=vmlinuz${SUITE:+-$SUITE}

# The longest that a machine may take: it is emulated, so everything takes ten times as long.
BOOT_SECONDS=60 TEST_SECONDS=900

# The Debian packages that the tests need in the machine, besides their dependencies. Busybox has the rest.
PACKAGES='busybox-static base-passwd bash coreutils dash python3 util-linux'

# The files of `tests` that run in the machine. The others test the binary (elf), the tree (docs, tidy), Debian's peers and
# servers (peers, real), or need strace (cost, turns).
TESTS='run stop plan ready notify daemon output files tty cli cgroup calls soak'

fail() { echo "kernels: $*" >&2; exit 1; }

# ---- from Debian ------------------------------------------------------------------------------------------------

# An apt of our own, which knows one architecture and sees nothing as installed.
private_apt() {
    mkdir -p apt/{lists/partial,cache/archives/partial}
    : >apt/status
    cat >apt/conf <<CONF
Dir::State "$PWD/apt";
Dir::State::status "$PWD/apt/status";
Dir::Cache "$PWD/apt/cache";
APT::Architecture "$1";
APT::Architectures { "$1"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
CONF
    export APT_CONFIG=$PWD/apt/conf
    apt-get -qq update || echo 'kernels: some lists are missing; going on with those that are here' >&2
}

# Points our apt at another release alone, on the server that the host's own release comes from.
of_suite() {
    local sources
    # shellcheck disable=SC2016    # apt expands it
    local format='$(REPO_URI) $(COMPONENT)'
    sources=$(apt-get indextargets --format "$format" 'Created-By: Packages' | grep -m 1 ' main$')
    echo "deb ${sources%% *} $1 main" >apt/sources
    printf 'Dir::Etc::%s "%s";\n' sourcelist "$PWD/apt/sources" sourceparts /dev/null >>apt/conf
    rm -rf apt/lists
    mkdir -p apt/lists/partial
    apt-get -qq update
}

# Unpacks a package into `root`, where /bin and /lib are links into /usr, without its documentation.
unpack() {
    dpkg-deb --fsys-tarfile "$1" | tar -x -C root --keep-directory-symlink \
        --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*'
}

# The package that `$1` depends on and whose name begins with `$2`.
needed() { apt-cache depends "$1" | sed -n "s/.*Depends: \\($2-.*\\)/\\1/p"; }

# Fetches the kernel from its package into the current directory: fetch_kernel ARCHITECTURE FILE. Since Linux 7 the image's
# package depends on another one, which has the file.
fetch_kernel() {
    echo "kernels: fetching Debian's kernel for $1${SUITE:+ of $SUITE}"
    rm -rf apt kernel
    private_apt "$1"
    [ -z "$SUITE" ] || of_suite "$SUITE"
    local image file
    image=$(needed "linux-image-cloud-$1" linux-image)
    file=$(needed "$image" linux-binary)
    mkdir kernel
    (cd kernel && apt-get -qq download "${file:-$image}" && dpkg -x ./*.deb .)
    find kernel -name 'vmlinuz*' -exec cp {} "$2.new" \;
    rm -rf apt kernel
    mv "$2.new" "$2"
}

# Makes `base.cpio` from packages, in the current directory.
fetch_programs() {
    echo "kernels: fetching Debian's programs for $1"
    rm -rf apt root
    private_apt "$1"
    local package directory
    mkdir root root/usr
    # shellcheck disable=SC2086    # the words of the list are the packages
    apt-get -qq -y --download-only install $PACKAGES </dev/null
    for directory in bin sbin lib lib64; do
        mkdir "root/usr/$directory"
        ln -s "usr/$directory" "root/$directory"
    done
    for package in apt/cache/archives/*.deb; do
        unpack "$package"
    done
    for package in passwd group; do
        cp "root/usr/share/base-passwd/$package.master" "root/etc/$package"
    done
    mkdir -p root/{dev,proc,run,sys,tests,tmp}
    archive root >base.cpio.new
    rm -rf apt root
    mv base.cpio.new base.cpio
}

# An initramfs with all files of a directory.
archive() { (cd "$1" && find . | sort | cpio --create --format=newc --owner=0:0 --reproducible --quiet); }

# ---- our own files ----------------------------------------------------------------------------------------------

# Builds pidlet and the tests statically, and prints NAME PATH for each; `probe` is the tests' payload.
build_amd64() {
    local target=x86_64-unknown-linux-gnu name names=()
    for name in $TESTS; do
        names+=(--test "$name")
    done
    export CARGO_TARGET_DIR=$cache/build RUSTFLAGS=-Ctarget-feature=+crt-static
    cargo build --quiet --release --bin pidlet --target $target
    echo "pidlet $CARGO_TARGET_DIR/$target/release/pidlet"
    # As in tests/cross/build.sh: code that is not optimized at all is slow in an emulator.
    export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
    cargo build --quiet --release --example probe --target $target
    echo "probe $CARGO_TARGET_DIR/$target/release/examples/probe"
    local said
    said=$(cargo test --no-run --release "${names[@]}" --target $target 2>&1) || fail "$said"
    # Cargo names each executable that it has built.
    sed -n 's|^ *Executable tests.\([a-z]*\).* (\(.*\))$|\1 \2|p' <<<"$said"
}

build_arm64() {
    local name path
    tests/cross/build.sh pidlet aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf |
        while read -r name path; do
            case $name in
                aarch64-*) echo "pidlet $path" ;;
                *) echo "${name%%-*}/pidlet $path" ;;
            esac
        done
    # shellcheck disable=SC2086    # words
    tests/cross/build.sh tests aarch64-unknown-linux-gnu $TESTS
}

# The tests of a file that cannot run in the machine, as options of its executable. Each test must exist.
left_out() {
    local file test reason
    while read -r file test reason; do
        [ "$file" = "$1" ] || continue
        grep -q "^fn $test()" "tests/$file.rs" || fail "tests/$file.rs has no $test: see $here/left-out"
        [ -n "$reason" ] || fail "$here/left-out does not say why $test is left out"
        echo "--skip $test"
    done < <(grep -v '^#' $here/left-out)
}

# The directory of each machine's pidlet in the file system of an architecture.
directories() {
    case $1 in
        amd64) echo / ;;
        arm64) echo / /armv7/ ;;
    esac
}

# What runs where the pidlet of a directory is PID 1: lines with a file of tests and its options. For 32 bits these are only
# the tests that `make cross` leaves out on emulated 32-bit ARM, or does not run. `calls` is not among them: its filter
# knows the numbers of 64-bit system calls, and 32-bit ones have others.
runs() {
    local file options
    for file in $TESTS; do
        [ "$1 $file" != '/armv7/ calls' ] || continue
        options=$(left_out "$file")
        [ "$1" != /armv7/ ] || options+=" $(awk -v file="$file" '$2 == file { print $3 }' tests/cross/left-out)"
        echo "$file --exact ${options//$'\n'/ }"
    done
}

# Appends our own programs and files to Debian's, as the machine's initrd.
furnish() {
    local name path directory root=$cache/$1/own
    rm -rf "$root"
    mkdir -p "$root/etc"
    "build_$1" >"$cache/$1/built"
    cp $here/guest/* "$root/etc"
    while read -r name path; do
        case $name in
            pidlet | */pidlet | probe) install -D "$path" "$root/$name" ;;
            *) install -D "$path" "$root/tests/$name" ;;
        esac
    done <"$cache/$1/built"
    for directory in $(directories "$1"); do
        runs "$directory" >"$root${directory}runs"
    done
    archive "$root" | cat "$cache/$1/base.cpio" - >"$cache/$1/initrd"
}

# ---- the machine ------------------------------------------------------------------------------------------------

# Boots a machine with a kernel command line, and waits until it ends: boot ARCHITECTURE SECONDS LOG WORD...
boot() {
    local architecture=$1 seconds=$2 log=$3 qemu
    shift 3
    case $architecture in
        amd64) qemu=(qemu-system-x86_64 -cpu max -append "console=ttyS0 $*") ;;
        arm64) qemu=(qemu-system-aarch64 -machine virt -cpu 'max,pauth-impdef=on' -append "console=ttyAMA0 $*") ;;
    esac
    # One processor each: several in one machine interrupt each other and need a third more time for the same work.
    # `timeout` exits with 124 if it takes too long.
    timeout -k 5 "$seconds" "${qemu[@]}" -accel tcg -smp 1 -m 1536 -nodefaults -no-user-config \
        -nographic -serial stdio -no-reboot -kernel "$cache/$architecture/$kernel" \
        -initrd "$cache/$architecture/initrd" </dev/null 2>&1 | tr -d '\r' >"$log"
}

# Kernel options besides the init: print only the panic, and reboot at once on it, which ends the emulator.
KERNEL='quiet loglevel=1 panic=-1'

# The exit code of PID 1; nothing if it has not ended.
exit_code() {
    local status
    status=$(sed -n 's/.*Attempted to kill init! exitcode=0x\([0-9a-f]*\).*/\1/p' "$1")
    [ -z "$status" ] || echo $((0x$status >> 8))
}

# The kernel itself starts pidlet with a command: there is no /proc, and only a console in /dev.
test_command_line() {
    local name=$2 log=$cache/$1/command-$2${SUITE:+-$SUITE}.log words='/bin/busybox sh -c "exit 42"'
    boot "$1" $BOOT_SECONDS "$log" "$KERNEL rdinit=$3pidlet -- $words" || show "$log" "$name did not end"
    [ "$(exit_code "$log")" = 42 ] || show "$log" "PID 1 of $name did not end with 42"
    grep -q 'pidlet: busybox (pid [0-9]*) exited with code 42 after .*; container exits 42$' "$log" ||
        show "$log" "no reason for the end of $name was said"
    echo "kernels: $name: PID 1 ran a command of the kernel's command line and ended with its code"
}

# The plan in /etc/pidlet.conf, whose oneshots are the tests.
test_plan() {
    local name=$2 log=$cache/$1/plan-$2${SUITE:+-$SUITE}.log wanted
    wanted=$(grep -c . "$cache/$1/own$3runs")
    boot "$1" $TEST_SECONDS "$log" "$KERNEL rdinit=$3pidlet" ||
        show "$log" "$name did not end within $TEST_SECONDS s"
    grep -a '^@' "$log" | sed "s/^@/kernels: $name:/"
    [ "$(exit_code "$log")" = 0 ] || show "$log" "PID 1 of $name ended with $(exit_code "$log")"
    awk -v wanted="$wanted" '
        /^test result: ok\. [0-9]+ passed; 0 failed; 0 ignored;/ && $4 > 0 { files++; passed += $4 }
        END { print passed + 0 " passed, 0 failed"; exit files != wanted }
    ' "$log" || show "$log" "not all of $wanted executables ran tests in $name"
}

# machine ARCHITECTURE NAME DIRECTORY : tests the pidlet in a directory in both ways.
machine() {
    local since=$SECONDS
    test_command_line "$@"
    test_plan "$@"
    echo "kernels: $2: all passed after $((SECONDS - since)) s"
}

# Prints everything that a machine printed, and fails for this reason: show LOG REASON.
show() {
    cat "$1" >&2
    fail "$2; all that the machine said is above, and in $1"
}

for architecture; do
    case $architecture in
        amd64 | arm64) ;;
        *) fail "there is no machine for $architecture" ;;
    esac
    mkdir -p "$cache/$architecture"
    [ -s "$cache/$architecture/base.cpio" ] || (cd "$cache/$architecture" && fetch_programs "$architecture")
    [ -s "$cache/$architecture/$kernel" ] || (cd "$cache/$architecture" && fetch_kernel "$architecture" "$kernel")
    (furnish "$architecture")
done

running=0 worst=0
one_ends() {
    wait -n || worst=1
    running=$((running - 1))
}
for architecture; do
    for directory in $(directories "$architecture"); do
        [ $running -lt "$(nproc)" ] || one_ends
        name=${directory//\//}
        machine "$architecture" "${name:-$architecture}" "$directory" &
        running=$((running + 1))
    done
done
while [ $running -gt 0 ]; do
    one_ends
done
exit $worst
