# shellcheck shell=sh
# Finds or fetches the Bun that package.json pins, and the packages that bun.lock pins. Sourced, by install.sh and
# build/test; needs only a POSIX shell, coreutils and one way to download. Sets BUN and puts it first on PATH.
#
# Order: a bun of exactly that version on PATH, the copy in .cache/, the npm package, the official release by curl.
# What is fetched is used only if its SHA-256 is the one in build/bun.sha256.

bootstrap_say() {
  printf '%s\n' "$*" >&2
}

bootstrap_fail() {
  bootstrap_say "error: $*"
  return 1
}

bootstrap_has() {
  command -v "$1" >/dev/null 2>&1
}

# Prints linux-x64 or linux-aarch64.
bootstrap_platform() {
  case "$(uname -s)" in
    Linux) ;;
    *) bootstrap_fail "Cannot build here: found $(uname -s), needed Linux"; return 1 ;;
  esac
  if [ -n "$(find /lib /usr/lib -maxdepth 1 -name 'ld-musl-*' 2>/dev/null)" ] && ! bootstrap_has ldconfig; then
    bootstrap_fail "Cannot build here: found musl libc, needed glibc 2.17 or newer (Debian, Ubuntu, Raspberry Pi OS)"
    return 1
  fi
  case "$(uname -m)" in
    x86_64 | amd64) echo linux-x64 ;;
    aarch64 | arm64)
      if [ "$(getconf LONG_BIT 2>/dev/null || echo 64)" = 32 ]; then
        bootstrap_fail "Cannot build here: found a 32-bit system on a 64-bit processor, needed a 64-bit system"
        return 1
      fi
      echo linux-aarch64
      ;;
    *) bootstrap_fail "Cannot build here: found processor $(uname -m), needed x86-64 or arm64"; return 1 ;;
  esac
}

# As root on a Debian-like system installs the named packages; else says which are missing.
bootstrap_packages() {
  if [ "$(id -u)" = 0 ] && bootstrap_has apt-get; then
    bootstrap_say "Installing $* with apt-get"
    { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" ||
      { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }; } \
      >"$bootstrap_cache/apt.log" 2>&1 && return 0
    bootstrap_say "apt-get could not: $(tail -n 1 "$bootstrap_cache/apt.log")"
    return 1
  fi
  bootstrap_say "Missing here: $*. Install them (Debian: sudo apt-get install $*), or run this as root."
  return 1
}

bootstrap_verify() { # file, name in bun.sha256
  wanted=$(awk -v name="$2" '$2 == name { print $1 }' "$bootstrap_root/build/bun.sha256")
  [ -n "$wanted" ] || { bootstrap_fail "build/bun.sha256 has no line for $2"; return 1; }
  found=$(sha256sum "$1" | cut -d ' ' -f 1)
  [ "$found" = "$wanted" ] && return 0
  bootstrap_fail "Cannot use the Bun that was fetched: found SHA-256 $found, needed $wanted"
}

bootstrap_by_npm() { # directory
  bootstrap_has npm || return 1
  bootstrap_say "Fetching Bun $bootstrap_version with npm"
  (cd "$1" && npm pack --silent "@oven/bun-$bootstrap_platform@$bootstrap_version" >npm.out 2>npm.log) ||
    { bootstrap_say "npm could not: $(tail -n 1 "$1/npm.log")"; return 1; }
  (cd "$1" && tar -xzf ./*.tgz && mv package/bin/bun bun)
}

bootstrap_by_curl() { # directory
  { bootstrap_has curl && bootstrap_has unzip; } || bootstrap_packages ca-certificates curl unzip || return 1
  bootstrap_say "Fetching Bun $bootstrap_version from its project's releases"
  base=https://github.com/oven-sh/bun/releases/download
  curl -fsSL --retry 2 --connect-timeout 15 -o "$1/bun.zip" \
    "$base/bun-v$bootstrap_version/bun-$bootstrap_platform.zip" ||
    { bootstrap_say "curl could not reach $base"; return 1; }
  (cd "$1" && unzip -q -o bun.zip && mv "bun-$bootstrap_platform/bun" bun)
}

bootstrap_fetch() { # file to make
  scratch=$(mktemp -d "$bootstrap_cache/fetch.XXXXXX") || return 1
  if bootstrap_by_npm "$scratch" || bootstrap_by_curl "$scratch" ||
    { ! bootstrap_has npm && bootstrap_packages npm && bootstrap_by_npm "$scratch"; }; then
    bootstrap_verify "$scratch/bun" "bun-$bootstrap_version-$bootstrap_platform" &&
      chmod 755 "$scratch/bun" && mv "$scratch/bun" "$1"
  else
    bootstrap_fail "Cannot get Bun $bootstrap_version: put bun of that version on PATH, or give this machine" \
      "npm or curl with access to the Internet, and try again"
  fi
  status=$?
  rm -rf "$scratch"
  return $status
}

# Package managers keep their caches at home; an account without a home gets them in the checkout.
bootstrap_home() {
  [ -n "${HOME:-}" ] && [ -d "$HOME" ] && [ -w "$HOME" ] && return 0
  export HOME="$bootstrap_cache/home"
  mkdir -p "$HOME"
}

# bootstrap_bun ROOT
bootstrap_bun() {
  bootstrap_root=$1
  bootstrap_cache=$1/.cache
  if ! mkdir -p "$bootstrap_cache" 2>/dev/null || ! [ -w "$bootstrap_cache" ]; then
    bootstrap_fail "Cannot write $bootstrap_cache: make the checkout yours, or copy it to where you may write"
    return 1
  fi
  bootstrap_home
  bootstrap_platform=$(bootstrap_platform) || return 1
  bootstrap_version=$(sed -n 's/.*"packageManager": *"bun@\([^"]*\)".*/\1/p' "$1/package.json")
  cached=$bootstrap_cache/bun-$bootstrap_version/bun
  if bootstrap_has bun && [ "$(bun --version 2>/dev/null)" = "$bootstrap_version" ]; then
    BUN=$(command -v bun)
  else
    if ! [ -x "$cached" ]; then
      mkdir -p "$bootstrap_cache/bun-$bootstrap_version" && bootstrap_fetch "$cached" || return 1
    fi
    BUN=$cached
    PATH=$(dirname "$cached"):$PATH
    export PATH
  fi
  [ "$("$BUN" --version 2>&1)" = "$bootstrap_version" ] ||
    bootstrap_fail "Cannot run $BUN: it says '$("$BUN" --version 2>&1 | tail -n 1)'"
}

# bootstrap_bun_for ROOT PLATFORM: prints the path of the pinned Bun for linux-x64 or linux-aarch64, to build for it.
bootstrap_bun_for() {
  bootstrap_root=$1
  bootstrap_cache=$1/.cache
  bootstrap_platform=$2
  bootstrap_version=$(sed -n 's/.*"packageManager": *"bun@\([^"]*\)".*/\1/p' "$1/package.json")
  foreign=$bootstrap_cache/bun-$bootstrap_version-$2/bun
  if ! [ -x "$foreign" ]; then
    mkdir -p "$(dirname "$foreign")" && bootstrap_fetch "$foreign" || return 1
  fi
  echo "$foreign"
}

# bootstrap_dependencies ROOT: installs what bun.lock names, unless that is there already.
bootstrap_dependencies() {
  lock=$(cat "$1/package.json" "$1/bun.lock" | sha256sum | cut -d ' ' -f 1)
  [ -d "$1/node_modules" ] && [ "$(cat "$1/.cache/installed" 2>/dev/null)" = "$lock" ] && return 0
  bootstrap_say "Installing the packages of bun.lock"
  (cd "$1" && "$BUN" install --frozen-lockfile) >"$1/.cache/packages.log" 2>&1 ||
    { tail -n 5 "$1/.cache/packages.log" >&2; bootstrap_fail "Cannot install the packages of bun.lock"; return 1; }
  printf '%s\n' "$lock" >"$1/.cache/installed"
}
