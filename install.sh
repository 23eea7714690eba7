#!/bin/sh
# Installs Mycelium and starts a node. Run again it upgrades, or does nothing when there is nothing newer.
#
#   ./install.sh                                          from a checkout: builds what is in it
#   curl -fsSL URL/install.sh | sh                        from a release: downloads and verifies
#   curl -fsSL URL/install.sh | sh -s -- join TOKEN
#
# Everything is in functions that the last line calls, so that a copy cut off anywhere does nothing. Over 400 lines:
# what is piped into sh is one file.

# The copy in a release directory has its place, its public key (PEM) and the units here (build/install-script.ts).
release_url=''
release_key=''

usage() {
  cat <<'HELP'
Usage: install.sh [flags] [join TOKEN]

Installs Mycelium and starts a node: a network of its own, or with `join TOKEN` (or `join -` to read it from standard
input) a node of another's. Run it again to upgrade. In a checkout it builds; elsewhere it takes a release, whose
signature and digest it verifies.

  --network NAME   name of the network that is made (default: home)
  --port N         port of HTTP and SQL (default: 8080)
  --p2p-port N     port of links between nodes; the next one is gossip's (default: 9090)
  --prefix DIR     the executable goes to DIR/bin (default: /usr/local as root, else ~/.local)
  --state DIR      state directory (default: /var/lib/mycelium as root, else ~/.local/state/mycelium)
  --url URL        take the release from here
  --from DIR       take the release from this directory, without Internet
  --version V      that version, not the newest
  --key FILE       the release's public key, for a copy of this script that carries none
  --no-start       install only
  --dry-run        say what would be done
  --uninstall      stop the node and remove the program; its data stays
  --purge          with --uninstall: delete the data too
  --help           this text
HELP
}

say() {
  printf '%s\n' "==> $*"
}

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# Says what it does, and does it unless this is a dry run.
step() {
  printf '    %s\n' "$*"
  [ "$dry_run" = yes ] || "$@"
}

parse_arguments() {
  dry_run=no uninstall=no purge=no start=yes join='' prefix='' state='' network='' port='' p2p_port=''
  url='' from='' version='' key=''
  while [ $# -gt 0 ]; do
    case $1 in
      --*=*)
        flag=${1%%=*} value=${1#*=}
        shift
        set -- "$flag" "$value" "$@"
        continue
        ;;
      --network | --port | --p2p-port | --prefix | --state | --url | --from | --version | --key)
        if [ $# -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value; see install.sh --help"; fi
        case $1 in
          --network) network=$2 ;;
          --port) port=$2 ;;
          --p2p-port) p2p_port=$2 ;;
          --prefix) prefix=$2 ;;
          --state) state=$2 ;;
          --url) url=${2%/} ;;
          --from) from=${2%/} ;;
          --version) version=$2 ;;
          --key) key=$2 ;;
        esac
        shift
        ;;
      --no-start) start=no ;;
      --dry-run) dry_run=yes ;;
      --uninstall) uninstall=yes ;;
      --purge) purge=yes ;;
      --help | -h) usage; exit 0 ;;
      join)
        [ $# -eq 2 ] || fail "join needs one token, or - to read it from standard input"
        join=$2
        shift
        ;;
      *) usage >&2; fail "\"$1\" was not expected" ;;
    esac
    shift
  done
  [ "$purge" = no ] || [ "$uninstall" = yes ] || fail "--purge goes with --uninstall"
  [ -z "$url" ] || [ -z "$from" ] || fail "--url and --from do not go together"
  case $version in *[!0-9A-Za-z.+-]*) fail "--version needs one as 0.2.0, found \"$version\"" ;; esac
}

# Sets source to the checkout this file is in, or else url or from to the place of a release.
choose_source() {
  source='' beside='' script=install.sh
  case $0 in
    install.sh | */install.sh)
      script=$0
      if [ -f "$0" ]; then beside=$(cd "$(dirname "$0")" && pwd); fi
      ;;
    *) [ "$join" != - ] || fail "\`join -\` reads what this script is read from: download it first, or name the token" ;;
  esac
  [ -z "$url$from$version" ] || return 0
  if [ -n "$beside" ] && [ -f "$beside/src/main.ts" ]; then
    source=$beside
  elif [ -n "$beside" ] && [ -f "$beside/SHA256SUMS.sig" ]; then
    from=$beside
  fi
}

# Where things go, from who runs this and how the machine starts services.
choose_places() {
  system_state=/var/lib/mycelium
  if [ "$(id -u)" = 0 ]; then
    prefix=${prefix:-/usr/local} state=${state:-$system_state} cache=${XDG_CACHE_HOME:-/var/cache}/mycelium
  else
    [ -n "${HOME:-}" ] || [ -n "$prefix$state" ] || fail "HOME is not set: name --prefix and --state"
    prefix=${prefix:-$HOME/.local} state=${state:-${XDG_STATE_HOME:-$HOME/.local/state}/mycelium}
    cache=${XDG_CACHE_HOME:-${HOME:-$state}/.cache}/mycelium
  fi
  case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
  case $state in /*) ;; *) state=$PWD/$state ;; esac
  program=$prefix/bin/mycelium
  library=$prefix/lib/mycelium
  units=/etc/systemd/system
  if [ "$(id -u)" = 0 ] && [ "$state" = $system_state ]; then owner=mycelium; else owner=''; fi
  if [ -n "$owner" ] && [ -d /run/systemd/system ]; then service=systemd; else service=background; fi
  [ "$service" = background ] || case $prefix in
    /home/* | /root/* | /run/* | /tmp/* | /var/tmp/* | *[!A-Za-z0-9._/-]*)
      fail "a systemd unit cannot run a program in $prefix: choose another --prefix" ;;
  esac
}

# Sets arch, or says what this machine lacks.
check_platform() {
  [ "$(uname -s)" = Linux ] || fail "Mycelium runs on Linux; found $(uname -s)"
  case $(uname -m) in
    x86_64 | amd64) arch=x64 loader=/lib64/ld-linux-x86-64.so.2 ;;
    aarch64 | arm64) arch=arm64 loader=/lib/ld-linux-aarch64.so.1 ;;
    *) fail "Mycelium runs on 64-bit x86-64 and arm64; found $(uname -m)" ;;
  esac
  [ "$(getconf LONG_BIT 2>/dev/null || echo 64)" = 64 ] ||
    fail "found a 32-bit system on a 64-bit processor ($(uname -m)): install a 64-bit system, as Raspberry Pi OS (64-bit)"
  [ -e $loader ] || fail "$loader is missing: Mycelium needs glibc 2.17 or newer (Debian, Ubuntu, Raspberry Pi OS), not musl"
  if [ $arch = x64 ] && [ -r /proc/cpuinfo ] && ! grep -qw avx2 /proc/cpuinfo; then
    fail "this processor has no AVX2: Mycelium needs one made since 2013 (Haswell, Excavator)"
  fi
}

# What a release needs besides; before anything is written.
check_tools() {
  for tool in openssl sha256sum awk; do
    has $tool || fail "$tool is missing: install it (Debian: apt-get install openssl coreutils mawk) and run this again"
  done
  if has curl; then downloader=curl; elif has wget; then downloader=wget; else downloader=''; fi
  [ -n "$from" ] || [ -n "$downloader" ] || fail "curl or wget is missing: install one, or use --from DIR"
  [ -z "$from" ] || [ -f "$from/SHA256SUMS" ] || fail "$from is no release directory: it has no SHA256SUMS"
  if [ -n "$key" ]; then
    release_key=$(cat "$key") || fail "cannot read $key"
  elif [ -z "$release_key" ] && [ -f "$library/release.pem" ]; then
    release_key=$(cat "$library/release.pem")
  fi
  [ -n "$release_key" ] || fail "this copy of install.sh carries no release key: use the release's own copy, or --key FILE"
}

# need PLACE MEGABYTES: adds to what its file system must have free.
need() {
  place=$1
  while ! [ -d "$place" ]; do place=$(dirname "$place"); done
  needs="$needs$(df -Pm "$place" | awk -v need="$2" 'NR == 2 { print $6, $4, need }')
"
}

# Before anything is written: what goes to one file system is added up.
check_space() {
  needs=''
  [ -z "$source" ] || need "$source" 900
  need "$prefix" 100
  need "$cache" 240
  # Two versions of the program, and room for data.
  need "$state" 350
  lacking=$(printf '%s' "$needs" | awk '{ free[$1] = $2; need[$1] += $3 } END {
    for (at in need) if (free[at] < need[at]) print at " has " free[at] " MB free, " need[at] " MB are needed" }')
  [ -z "$lacking" ] || fail "not enough space: $lacking"
}

# get NAME FILE: a file of the release.
get() {
  if [ -n "$from" ]; then
    cp "$from/$1" "$2" 2>"$work/log" || fail "cannot copy $from/$1: $(tail -n 1 "$work/log")"
    return 0
  fi
  (
    # 128 MiB: an endless download ends.
    ulimit -f 262144
    case $downloader in
      curl) curl -fsSL --proto =http,https --retry 3 --connect-timeout 20 --speed-limit 1000 --speed-time 60 -o "$2" "$url/$1" ;;
      wget) wget -nv -T 30 -O "$2" "$url/$1" ;;
    esac
  ) </dev/null 2>"$work/log" && return 0
  hint="behind a proxy set https_proxy; without Internet use --from DIR"
  [ -z "${https_proxy:-}${http_proxy:-}${HTTPS_PROXY:-}" ] || hint="a proxy is set in the environment: is it right?"
  fail "cannot download $url/$1 ($hint): $(tail -n 1 "$work/log")"
}

# Sets wanted to the release's SHA-256 of NAME, and name to its place, once the list's signature is verified.
find_release() {
  get SHA256SUMS "$work/SHA256SUMS"
  get SHA256SUMS.sig "$work/SHA256SUMS.sig"
  printf '%s\n' "$release_key" >"$work/release.pem"
  openssl dgst -sha256 -verify "$work/release.pem" -signature "$work/SHA256SUMS.sig" "$work/SHA256SUMS" >/dev/null 2>&1 ||
    fail "SHA256SUMS is not signed by the release key: what answers at ${url:-$from} is not the release, or was altered"
  name=${version:+$version/}mycelium-linux-$arch
  wanted=$(awk -v name="$name" '$2 == name && length($1) == 64 && $1 !~ /[^0-9a-f]/ { print $1; exit }' "$work/SHA256SUMS")
  [ -n "$wanted" ] || fail "${url:-$from} has no $name; it has: $(awk '{ printf "%s ", $2 }' "$work/SHA256SUMS")"
  # Another version's files are named by their digests.
  [ -z "$version" ] || name=targets/$version/$wanted.mycelium-linux-$arch
}

digest() {
  sha256sum "$1" | cut -d ' ' -f 1
}

# One line of the slots' record, as `refused`.
record_of() {
  [ ! -f "$state/slots/record" ] || sed -n "s/^$1 //p" "$state/slots/record"
}

# The SHA-256 of the core in a shipped file.
core_of() {
  "$1" --launcher-info --state="$state" </dev/null 2>/dev/null | sed -n 's/.*"coreSha256":"\([0-9a-f]*\)".*/\1/p'
}

# was_taken_back CORE: this node has had it on trial, by an installation, and went back. The launcher does not try it again.
was_taken_back() {
  [ -n "$1" ] && [ "$1" = "$(record_of refused)" ] && [ "$1" = "$(record_of payload)" ]
}

refuse_again() {
  was_taken_back "$(core_of "$1")" || return 0
  fail "nothing was changed: this version was tried here and taken back ($(record_of reason))." \
    "Install a newer one, or another with --version V; \`mycelium update plan V\` tries this one again"
}

# Sets new to an executable file that was verified, or leaves it empty when that is installed already.
fetch_release() {
  say "Looking at ${url:-$from}"
  if [ "$dry_run" = yes ]; then
    printf '    fetch SHA256SUMS and its signature, then %s; verify both\n' "${version:+$version/}mycelium-linux-$arch"
    new=$work/mycelium
    return 0
  fi
  find_release
  if [ -f "$program" ] && [ "$(digest "$program")" = "$wanted" ]; then
    refuse_again "$program"
    say "That release is installed already"
    return 0
  fi
  say "Fetching $name (some 40 MB)"
  new=$work/mycelium
  get "$name" "$new"
  found=$(digest "$new")
  [ "$found" = "$wanted" ] || fail "$name is damaged or was altered: found SHA-256 $found, needed $wanted"
  chmod 755 "$new"
  "$new" --launcher-verify "$new" </dev/null >"$work/log" 2>&1 ||
    fail "the release does not run on this machine: $(tail -n 1 "$work/log")"
  refuse_again "$new"
}

build() {
  say "Building in $source"
  new=$source/dist/mycelium
  if [ "$dry_run" = yes ]; then
    printf '    fetch Bun and the packages of bun.lock into .cache and node_modules, where they are missing\n'
    printf '    bun build/build.ts --out dist/mycelium\n'
    return 0
  fi
  # shellcheck source=build/bootstrap.sh
  . "$source/build/bootstrap.sh"
  bootstrap_bun "$source" || exit 1
  bootstrap_dependencies "$source" || exit 1
  (cd "$source" && "$BUN" build/build.ts --out "$source/dist/mycelium") || fail "the build failed"
  refuse_again "$new"
  if [ -f "$program" ] && cmp -s "$new" "$program"; then new=''; fi
}

# Downloads go beside where they will be; what an install.sh that was killed has left goes away.
make_work() {
  work=$prefix/bin/.mycelium-install.$$
  [ "$dry_run" = no ] || return 0
  [ -d "$prefix" ] || made_prefix=yes
  if ! mkdir -p "$prefix/bin" 2>/dev/null || ! [ -w "$prefix/bin" ]; then
    fail "cannot write $prefix/bin: run this as root, or choose another with --prefix"
  fi
  for left in "$prefix"/bin/.mycelium-install.*; do
    [ -d "$left" ] || continue
    [ ! -d "/proc/${left##*.}" ] || fail "another install.sh is under way here (process ${left##*.})"
    rm -rf "$left"
  done
  mkdir "$work"
}

# A first installation that fails leaves nothing behind; an upgrade that fails leaves what was there.
clean_up() {
  status=$?
  trap - EXIT
  [ "$dry_run" = yes ] || rm -rf "$work"
  if [ $status != 0 ] && [ "$undo" = yes ]; then
    printf 'Nothing was installed.\n' >&2
    rm -f "$program"
    rm -rf "$library"
    [ "$made_cache" = no ] || rm -rf "$cache"
    remove_leftovers
    [ "$made_state" = no ] || rm -rf "$state"
    [ "$made_user" = no ] || remove_user
    [ "$made_prefix" = no ] || rmdir "$prefix/lib" "$prefix/bin" "$prefix" 2>/dev/null || :
  fi
  exit $status
}

make_user() {
  [ -n "$owner" ] || return 0
  id "$owner" >/dev/null 2>&1 && return 0
  say "Making the system user $owner"
  made_user=yes
  if has useradd; then
    step useradd --system --user-group --home-dir "$system_state" --no-create-home --shell /usr/sbin/nologin "$owner"
  else
    step adduser -S -D -H -h "$system_state" -s /sbin/nologin "$owner"
  fi || fail "cannot make the user $owner"
}

# What the first commands of the service's user, who has no home, unpacked before there was a slot.
remove_leftovers() {
  [ -z "$owner" ] || ! id "$owner" >/dev/null 2>&1 || rm -rf "/var/tmp/mycelium-$(id -u "$owner")"
}

remove_user() {
  if has userdel; then userdel "$owner" 2>/dev/null; else deluser "$owner"; fi || :
}

make_state() {
  say "State directory $state"
  [ -d "$state" ] || made_state=$([ "$dry_run" = yes ] && echo no || echo yes)
  [ -d "$cache" ] || made_cache=yes
  step mkdir -p "$state" || fail "cannot make $state: choose another with --state"
  step chmod 700 "$state"
  if [ -n "$owner" ]; then step chown "$owner:" "$state"; fi
}

# The predecessor stays beside the new one.
install_files() {
  say "Installing $program"
  step mkdir -p "$prefix/bin" "$library" || fail "cannot write $prefix"
  # One that was taken back is no way back.
  if [ -f "$program" ] && ! was_taken_back "$(core_of "$program")"; then
    step cp -p "$program" "$program.previous.new" || fail "cannot write $prefix/bin (is the disk full?)"
    step mv -f "$program.previous.new" "$program.previous"
  fi
  step cp "$new" "$program.new" || fail "cannot write $prefix/bin (is the disk full?)"
  step chmod 755 "$program.new"
  # A power cut must not leave a name without its bytes.
  step sync "$program.new" 2>/dev/null || sync
  step mv -f "$program.new" "$program"
  restart=yes
}

# What the root helper checks a launcher against.
install_key() {
  [ -n "$release_key" ] && [ "$dry_run" = no ] || return 0
  mkdir -p "$library"
  printf '%s\n' "$release_key" >"$library/release.pem.new"
  mv -f "$library/release.pem.new" "$library/release.pem"
}

has_node() {
  [ -f "$state/node.key" ]
}

# with_settings PROGRAM WORDS...: runs it with our flags as its settings.
with_settings() {
  [ -z "$port" ] || set -- "$@" --port="$port"
  [ -z "$p2p_port" ] || set -- "$@" --p2p-port="$p2p_port"
  "$@" --state="$state"
}

# Nothing is picked in silence: a port that is taken is said, with what to set.
check_machine() {
  [ "$dry_run" = no ] && ! has_node || return 0
  with_settings "$new" doctor >"$work/doctor" 2>&1 </dev/null || {
    cat "$work/doctor" >&2
    fail "this machine is not ready: mend what is marked above and run $script again" \
      "(other ports: --port 8081 --p2p-port 9191)"
  }
}

make_node() {
  if has_node; then
    say "A node is here already: it stays as it is"
    [ -z "$join" ] || fail "to join another network, run \`mycelium join TOKEN\`"
    return 0
  fi
  set -- "$program"
  if [ -n "$join" ]; then
    say "Joining"
    set -- "$@" join "$join"
  else
    say "Making the network ${network:-home}"
    set -- "$@" init --network="${network:-home}"
  fi
  [ -z "$url" ] || set -- "$@" --update-url="$url"
  if [ "$dry_run" = yes ]; then
    printf '    %s\n' "$*"
    return 0
  fi
  # Hints are for who types it by hand. Standard input is the token's, if anyone's.
  if [ "$join" = - ]; then with_settings "$@"; else with_settings "$@" </dev/null; fi 2>"$work/log" || {
    cat "$work/log" >&2
    [ -z "$join" ] || fail "the join was refused"
    fail "the network could not be made"
  }
}

# print_unit NAME
print_unit() {
  cat "$source/systemd/$1"
}

# install_unit NAME: with the places of this installation.
install_unit() {
  print_unit "$1" | sed "s|/usr/local/bin|$prefix/bin|g; s|/usr/local/lib|$prefix/lib|g" >"$work/$1"
  cmp -s "$work/$1" "$units/$1" && return 0
  cp "$work/$1" "$units/$1.new" || fail "cannot write $units/$1"
  mv "$units/$1.new" "$units/$1"
  restart=yes
}

install_units() {
  [ "$service" = systemd ] || return 0
  say "Installing the systemd units"
  if [ "$dry_run" = yes ]; then
    printf '    write %s\n' "$units/mycelium.service" "$units/mycelium-helper.socket" "$units/mycelium-helper@.service"
    return 0
  fi
  install_unit mycelium.service
  install_unit mycelium-helper.socket
  install_unit mycelium-helper@.service
  systemctl daemon-reload
  systemctl enable -q --now mycelium-helper.socket || say "The root helper's socket did not start; the node runs without"
}

# ask WORDS...: for at most 10 s. A version that hangs may do so here too; then 124.
ask() {
  set -- "$program" "$@" --state="$state"
  if has timeout; then timeout 10 "$@" </dev/null; else "$@" </dev/null; fi
}

is_healthy() {
  ask status --check >/dev/null 2>&1
}

# A version that does not prove itself is taken back by the launcher; its file goes too.
put_back() {
  [ "$upgraded" = yes ] && was_taken_back "$new_core" || return 0
  [ ! -f "$program.previous" ] || mv -f "$program.previous" "$program"
  upgraded=no
  wait_healthy || :
  fail "the new version was taken back, the one before runs: $(record_of reason)"
}

# One that its launcher has started again has no pid file any more, and still answers.
stop_background() {
  [ -x "$program" ] || return 0
  [ -f "$state/mycelium.pid" ] || ask status >/dev/null 2>&1 || return 0
  step "$program" stop --state="$state" || step rm -f "$state/mycelium.pid"
}

start_node() {
  if [ "$restart" = no ] && is_healthy; then return 0; fi
  if [ "$service" = systemd ]; then
    say "Starting the systemd unit mycelium.service"
    step systemctl enable -q mycelium.service
    # A first start is waited for by systemd, a later one by wait_healthy: the launcher may start it several times.
    if [ "$upgraded" = no ]; then
      step systemctl restart mycelium.service ||
        fail "the unit did not start: see \`systemctl status mycelium\` and \`mycelium logs\`"
    else
      step systemctl stop mycelium.service
      step systemctl start --no-block mycelium.service
    fi
    return 0
  fi
  say "Starting in the background (systemd is not process 1 here, or this is not the machine's own node)"
  stop_background
  step "$program" run --background --state="$state" || [ "$upgraded" = yes ] || fail "the node did not start"
}

# Waits until the node is healthy, for at most 60 s.
wait_healthy() {
  [ "$dry_run" = no ] || return 0
  tries=0
  until is_healthy; do
    [ $? != 124 ] || tries=$((tries + 40))
    put_back
    tries=$((tries + 1))
    [ $tries -lt 240 ] || break
    sleep 0.25
  done
  # What is healthy by now may be the version before.
  put_back
  ask status || no_answer
  is_healthy || fail "the node runs and is not healthy yet: what is wrong is above"
}

no_answer() {
  [ "$upgraded" = no ] || fail "the new version does not answer; unless it does so within 5 minutes of its start, the one" \
    "before it comes back: see \`mycelium logs --state $state\`"
  fail "the node does not answer: see \`mycelium logs --state $state\`"
}

next_steps() {
  case :$PATH: in
    *":$prefix/bin:"*) name=mycelium ;;
    *)
      name=$program
      printf '\n%s is not in your PATH: add it, or type the whole name.\n' "$prefix/bin"
      ;;
  esac
  where=''
  [ -z "$chosen_state" ] || where=" --state $state"
  if [ "$upgraded" = yes ]; then
    printf '\nThe new version is on trial: if it does not prove healthy within 5 minutes, the one before it comes back.\n'
  fi
  [ "$service" = systemd ] || [ "$dry_run" = yes ] ||
    printf '\nAfter a reboot start it with: %s run --background%s\n' "$name" "$where"
  printf '\nNext:\n'
  printf '  %s token create%s      # prints a token ...\n' "$name" "$where"
  printf '  mycelium join TOKEN        # ... to type on another machine where Mycelium is installed\n'
}

remove() {
  say "Stopping the node"
  if [ "$service" = systemd ] && [ -f "$units/mycelium.service" ]; then
    step systemctl disable -q --now mycelium.service mycelium-helper.socket 2>/dev/null || :
    step rm -f "$units/mycelium.service" "$units/mycelium-helper.socket" "$units/mycelium-helper@.service"
    step systemctl daemon-reload
  else
    stop_background
  fi
  say "Removing the program"
  step rm -f "$program" "$program.previous"
  step rm -rf "$library" "$cache"
  if [ "$purge" = no ]; then
    say "The data stays in $state; --purge deletes it"
    return 0
  fi
  say "Deleting the data"
  step rm -rf "$state"
  if [ -n "$owner" ]; then
    step rm -rf /etc/mycelium
    ! id "$owner" >/dev/null 2>&1 || step remove_user
  fi
}

install() {
  check_platform
  [ -n "$source" ] || check_tools
  check_space
  [ -f "$program" ] || undo=$([ "$dry_run" = yes ] && echo no || echo yes)
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  make_work
  new='' new_core='' restart=no upgraded=no
  if [ -n "$source" ]; then build; else fetch_release; fi
  make_user
  make_state
  if [ -n "$new" ]; then
    new_core=$(core_of "$new")
    check_machine
    [ ! -f "$program" ] || ! has_node || upgraded=yes
    install_files
  fi
  install_key
  make_node
  undo=no
  install_units
  if [ "$start" = no ]; then
    say "Installed; \`$program run --state $state\` starts the node"
    return 0
  fi
  start_node
  wait_healthy
  [ "$dry_run" = yes ] || remove_leftovers
  next_steps
}

main() {
  set -eu
  undo=no made_prefix=no made_cache=no made_state=no made_user=no
  parse_arguments "$@"
  chosen_state=$state
  choose_source
  choose_places
  umask 022
  if [ "$uninstall" = yes ]; then
    remove
    return 0
  fi
  if [ -z "$source$from" ]; then
    url=${url:-$release_url}
    [ -n "$url" ] || fail "this copy of install.sh belongs to no release: name one with --url URL or --from DIR, or run it in a checkout"
  fi
  install
}

{ main "$@"; }
