#!/bin/sh
# Checks what `./run` and `./test` need on this machine and installs only what is missing.
#
#   dev/setup.sh run|test
#
# Silent and quick when all is there. Installs by itself only where that needs no question: apt-get as root or by
# `sudo -n`, Homebrew as the user. Otherwise prints the one line to type and exits 3. What the callers must
# export is left in .env.build, which they read.
#
# For its own tests: SETUP_ROOT is put before absolute paths that are looked at.
set -eu

purpose=${1:-run}
case $purpose in
run | test) ;;
*)
  echo "usage: dev/setup.sh run|test" >&2
  exit 2
  ;;
esac

fs=${SETUP_ROOT:-}
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
env_file=${SETUP_ENV_FILE:-$here/.env.build}

has() { command -v "$1" >/dev/null 2>&1; }
stop() {
  for line in "$@"; do printf '%s\n' "$line" >&2; done
  exit 3
}

# Rust first: everything else is of no use without it.
if ! has cargo && ! [ -x "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" ]; then
  stop "Rust is missing. Install rustup (https://rustup.rs) with this line, then run this again:" \
    "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . \"\$HOME/.cargo/env\""
fi

# A browser that can be driven: prints its path. Ubuntu's `chromium` is a stub that starts a snap, which cannot
# be driven with a profile of our own.
browser() {
  for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    [ -n "$candidate" ] || continue
    path=$(command -v "$candidate" 2>/dev/null) || continue
    case $path in */snap/*) continue ;; esac
    if [ -L "$path" ]; then case $(readlink "$path") in *snap*) continue ;; esac; fi
    if head -c 4096 "$path" 2>/dev/null | grep -aq '/snap/bin'; then continue; fi
    printf '%s\n' "$path"
    return 0
  done
  for candidate in "$fs/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
    "$fs/Applications/Chromium.app/Contents/MacOS/Chromium"; do
    if [ -x "$candidate" ]; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

node_major() { node --version 2>/dev/null | sed -n 's/^v\([0-9][0-9]*\).*/\1/p'; }

check_node() {
  wanted=18
  [ "$purpose" = test ] && wanted=20
  major=$(node_major)
  if [ "${major:-0}" -lt "$wanted" ]; then
    stop "Node $wanted or later is needed here; found: ${major:-none}. Install it, for example with this line:" \
      "  $1"
  fi
}

setup_debian() {
  missing=
  need() { missing="$missing $*"; }
  { has cc && has make; } || need build-essential
  has clang || need clang
  has llvm-ar || need llvm
  has curl || need curl
  [ -e "$fs/etc/ssl/certs/ca-certificates.crt" ] || need ca-certificates
  { has node && has npm; } || need nodejs npm
  if [ "$purpose" = test ]; then
    has ip || need iproute2
    [ -e "$fs/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf" ] || need fonts-noto-core
    [ -e "$fs/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc" ] || need fonts-noto-cjk
    [ -e "$fs/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf" ] || need fonts-noto-color-emoji
    if ! browser >/dev/null; then
      # On Ubuntu the package is the snap stub again.
      grep -q '^ID=ubuntu' "$fs/etc/os-release" 2>/dev/null || need chromium
    fi
  fi
  if [ -n "$missing" ]; then
    options="-o DPkg::Lock::Timeout=300"
    line="apt-get $options update && apt-get $options install -y --no-install-recommends$missing"
    if [ "$(id -u)" = 0 ]; then
      as_root=
    elif has sudo && sudo -n true 2>/dev/null; then
      as_root="sudo -n"
    else
      stop "Some packages are missing. Type this line, then run this again:" \
        "  sudo sh -c '$line'"
    fi
    echo "installing:$missing" >&2
    # shellcheck disable=SC2086 # lists of words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq $options update >&2
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq $options install -y --no-install-recommends $missing >&2
  fi
  check_node "curl -fsSL https://deb.nodesource.com/setup_22.x | sudo -E bash - && sudo apt-get install -y nodejs"
}

setup_macos() {
  missing=
  brewed=$(brew --prefix 2>/dev/null || true)
  [ -n "$brewed" ] && [ -x "$brewed/opt/llvm/bin/clang" ] || missing="$missing llvm"
  has node || missing="$missing node"
  if [ -n "$missing" ]; then
    has brew || stop "Homebrew is missing (https://brew.sh). Install it, then type:" "  brew install$missing"
    echo "installing:$missing" >&2
    # shellcheck disable=SC2086
    brew install --quiet $missing >&2
    brewed=$(brew --prefix)
  fi
  check_node "brew install node"
}

case $(uname -s) in
Linux)
  if [ -e "$fs/etc/debian_version" ]; then
    setup_debian
  else
    lacks=
    for tool in cc make clang llvm-ar curl node npm; do has "$tool" || lacks="$lacks $tool"; done
    if [ "$purpose" = test ]; then has ip || lacks="$lacks ip"; fi
    [ -z "$lacks" ] || stop "Please install with your system's package manager what brings these commands:" \
      " $lacks" "(C compiler and make; clang and llvm for wasm32; Node 18 or later, 20 for tests; iproute2 for tests)"
    check_node "see https://nodejs.org/en/download"
  fi
  cc_wasm=clang
  ar_wasm=llvm-ar
  ;;
Darwin)
  setup_macos
  # Apple's clang has no wasm32 target.
  cc_wasm=$brewed/opt/llvm/bin/clang
  ar_wasm=$brewed/opt/llvm/bin/llvm-ar
  ;;
*)
  stop "This system is not known here. Needed: a C compiler and make, clang and llvm-ar with the wasm32 target," \
    "curl, Node 18 or later with npm; for tests also Node 20, Chromium or Chrome, and the Noto fonts."
  ;;
esac

# The page is WASM: the toolchain needs that target's library. rustup installs what rust-toolchain.toml names only with
# a toolchain it installs itself, not into one that is there (and not at all with RUSTUP_AUTO_INSTALL=0).
PATH=$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin
wasm_library() { [ -d "$(cd "$here" && rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ]; }
if ! wasm_library; then
  has rustup || stop "Rust cannot build for wasm32-unknown-unknown here, and rustup, which installs that, is missing." \
    "Install rustup (https://rustup.rs), or your system's package with Rust's standard library for wasm32."
  echo "installing: Rust's library for wasm32-unknown-unknown" >&2
  # Without words `install` takes the toolchain that rust-toolchain.toml names, if it is missing.
  (cd "$here" && { rustc --version >/dev/null 2>&1 || rustup toolchain install; } && rustup target add wasm32-unknown-unknown) >&2 ||
    stop "rustup could not install it. Type this line, then run this again:" "  rustup target add wasm32-unknown-unknown"
fi

chromium=
if [ "$purpose" = test ]; then
  chromium=$(browser) || stop "Tests drive a browser, and none is here. Install Chromium or Chrome, or name one:" \
    "  export CHROMIUM=/path/to/chrome"
fi

{
  echo "# Written by dev/setup.sh; read by ./run and ./test."
  echo "export CC_wasm32_unknown_unknown='${CC_wasm32_unknown_unknown:-$cc_wasm}'"
  echo "export AR_wasm32_unknown_unknown='${AR_wasm32_unknown_unknown:-$ar_wasm}'"
  [ -z "$chromium" ] || echo "export CHROMIUM='$chromium'"
} >"$env_file"
