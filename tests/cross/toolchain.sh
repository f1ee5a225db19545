#!/usr/bin/env bash
# toolchain.sh : unpacks a Rust that can build for other architectures below target/cross, once, and prints the variables to
# set for it: `eval "$(tests/cross/toolchain.sh)"`. It installs nothing and needs no root.
#
# With rustup none of this is needed: `rustup target add T` and `cargo build --release --target T` suffice. Here everything
# comes from Debian, so that a machine that can reach only Debian's servers can build too. The compiler, its source (for the
# `core` of architectures without a package of it) and the standard libraries are all of one version. The headers of the
# kernel and of a libc are fetched with them, for each architecture.
set -euo pipefail
cd "$(dirname "$0")/../.."
cross=$PWD/target/cross
rust=$cross/rust
libc=$cross/libc
headers=$cross/headers

# An apt of our own, whose lists have foreign architectures, so that the machine's dpkg need not know them.
private_apt() {
    mkdir -p "$cross"/apt/{lists/partial,cache/archives/partial}
    : >"$cross/apt/status"
    cat >"$cross/apt/conf" <<CONF
Dir::State "$cross/apt";
Dir::State::status "$cross/apt/status";
Dir::Cache "$cross/apt/cache";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
CONF
    export APT_CONFIG=$cross/apt/conf
}

versions() { apt-cache madison "$1" | cut -d '|' -f 2 | tr -d ' ' | sort -Vru; }

# The newest version that exists for both architectures.
common_version() {
    comm -12 <(versions rustc-web | sort) <(versions libstd-rust-web-dev:arm64 | sort) | sort -V | tail -n 1
}

# The package that `$1` depends on and whose name matches `$2`.
needed() { apt-cache depends "$1" | grep -ox " *Depends: $2" | grep -o '[^ ]*$'; }

# Unpacks packages below a directory.
unpack() {
    local to=$1 packages=$cross/apt/packages
    shift
    rm -rf "$packages" && mkdir "$packages"
    (cd "$packages" && apt-get -qq download "$@")
    for package in "$packages"/*.deb; do
        dpkg -x "$package" "$to"
    done
    rm -rf "$packages"
}

fetch() {
    private_apt
    apt-get -qq update || echo 'cross: some lists are missing; going on with those that are here' >&2
    local version llvm shared architectures
    version=$(common_version)
    [ -n "$version" ] || { echo 'cross: no version of rustc-web for all architectures' >&2; exit 1; }
    shared=$(needed "libstd-rust-web-dev=$version" 'libstd-rust-web-[0-9.]*[0-9]')
    llvm=$(needed "$shared=$version" 'libllvm[0-9]*')
    echo "cross: fetching Rust $version from Debian" >&2
    rm -rf "$rust" "$libc" "$headers"
    unpack "$rust" "rustc-web=$version" "$shared=$version" "$llvm" "rust-web-src=$version" \
        "libstd-rust-web-dev:amd64=$version" "libstd-rust-web-dev:arm64=$version"
    unpack "$libc" libc6-dev-arm64-cross libgcc-12-dev-arm64-cross
    mapfile -t architectures < <(awk '!/^#/ && !seen[$2]++ { print $2 }' tests/cross/targets)
    local packages=("${architectures[@]/#/linux-libc-dev-}" "${architectures[@]/#/libc6-dev-}")
    unpack "$headers" "${packages[@]/%/-cross}"
    "$rust/usr/bin/rustc" --version >"$rust/version"
}

export LD_LIBRARY_PATH=$rust/usr/lib/x86_64-linux-gnu
# When the list of architectures has changed, everything is fetched again.
[ "$rust/version" -nt tests/cross/targets ] || fetch

# rustup's toolchains come with a linker for all architectures.
lld=$(echo "$(rustc --print sysroot)"/lib/rustlib/*/bin/rust-lld)
[ -x "$lld" ] || lld=$(command -v lld) || {
    echo 'cross: no rust-lld and no lld' >&2
    exit 1
}

cat <<SET
export LD_LIBRARY_PATH='$LD_LIBRARY_PATH' RUSTC='$rust/usr/bin/rustc' RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR='$cross/build' CROSS_LLD='$lld'
export CROSS_LIBC='$libc/usr/aarch64-linux-gnu/lib' CROSS_GCC='$libc/usr/lib/gcc-cross/aarch64-linux-gnu/12'
SET
