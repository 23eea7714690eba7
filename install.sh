#!/bin/sh
# Installs Mycelium from this checkout: builds it, puts the executable in place, makes a one-node network and starts
# it. Running it again is an upgrade. Everything is in functions that the last line calls, so that a copy cut off
# half way does nothing.

usage() {
  cat <<'HELP'
Usage: ./install.sh [flags] [join TOKEN]

Builds Mycelium from this checkout, installs it, and starts a node: a network of its own, or with `join TOKEN`
(or `join -` to read it from standard input) a node of another's. Run it again to upgrade.

  --network NAME   name of the network that is made (default: home)
  --port N         port of HTTP and SQL (default: 8080)
  --p2p-port N     port of links between nodes; the next one is gossip's (default: 9090)
  --prefix DIR     the executable goes to DIR/bin (default: /usr/local as root, else ~/.local)
  --state DIR      state directory (default: /var/lib/mycelium as root, else ~/.local/state/mycelium)
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

# Says what it does, and does it unless this is a dry run.
step() {
  printf '    %s\n' "$*"
  [ "$dry_run" = yes ] || "$@"
}

parse_arguments() {
  dry_run=no uninstall=no purge=no start=yes join='' prefix='' state='' network='' port='' p2p_port=''
  while [ $# -gt 0 ]; do
    case $1 in
      --*=*)
        flag=${1%%=*} value=${1#*=}
        shift
        set -- "$flag" "$value" "$@"
        continue
        ;;
      --network | --port | --p2p-port | --prefix | --state)
        if [ $# -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value; see ./install.sh --help"; fi
        case $1 in
          --network) network=$2 ;;
          --port) port=$2 ;;
          --p2p-port) p2p_port=$2 ;;
          --prefix) prefix=$2 ;;
          --state) state=$2 ;;
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
}

# Where things go, from who runs this and how the machine starts services.
choose_places() {
  system_state=/var/lib/mycelium
  if [ "$(id -u)" = 0 ]; then
    prefix=${prefix:-/usr/local} state=${state:-$system_state}
  else
    [ -n "${HOME:-}" ] || [ -n "$prefix$state" ] || fail "HOME is not set: name --prefix and --state"
    prefix=${prefix:-$HOME/.local} state=${state:-${XDG_STATE_HOME:-$HOME/.local/state}/mycelium}
  fi
  case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
  case $state in /*) ;; *) state=$PWD/$state ;; esac
  program=$prefix/bin/mycelium
  unit=/etc/systemd/system/mycelium.service
  if [ "$(id -u)" = 0 ] && [ "$state" = $system_state ]; then
    owner=mycelium
  else
    owner=''
  fi
  if [ -n "$owner" ] && [ -d /run/systemd/system ]; then service=systemd; else service=background; fi
}

build() {
  [ -f "$source/src/main.ts" ] || fail "$source is no checkout of Mycelium: clone it and run ./install.sh there"
  say "Building in $source"
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
}

# check_space DIR MEGABYTES WHAT: before anything is written.
check_space() {
  place=$1
  while ! [ -d "$place" ]; do place=$(dirname "$place"); done
  free=$(df -Pm "$place" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$2" ] || fail "not enough space in $place for $3: found $free MB free, needed $2 MB"
}

make_user() {
  [ -n "$owner" ] || return 0
  id "$owner" >/dev/null 2>&1 && return 0
  say "Making the system user $owner"
  if command -v useradd >/dev/null 2>&1; then
    step useradd --system --user-group --home-dir "$system_state" --no-create-home --shell /usr/sbin/nologin "$owner"
  else
    step adduser -S -D -H -h "$system_state" -s /sbin/nologin "$owner"
  fi || fail "cannot make the user $owner"
}

install_files() {
  say "Installing $program"
  step mkdir -p "$prefix/bin" || fail "cannot write $prefix: run this as root, or choose another with --prefix"
  step cp "$source/dist/mycelium" "$program.new" || fail "cannot write $prefix/bin (is the disk full?)"
  step chmod 755 "$program.new"
  step mv -f "$program.new" "$program"
  say "State directory $state"
  step mkdir -p "$state" || fail "cannot make $state: choose another with --state"
  step chmod 700 "$state"
  if [ -n "$owner" ]; then step chown "$owner:" "$state"; fi
}

has_node() {
  [ -f "$state/node.key" ]
}

# Sets mycelium's settings from our flags as its arguments.
with_settings() {
  [ -z "$port" ] || set -- "$@" --port="$port"
  [ -z "$p2p_port" ] || set -- "$@" --p2p-port="$p2p_port"
  step "$program" "$@" --state="$state"
}

# Nothing is picked in silence: a port that is taken is said, with what to set.
check_machine() {
  [ "$dry_run" = no ] || return 0
  set -- doctor --state="$state"
  [ -z "$port" ] || set -- "$@" --port="$port"
  [ -z "$p2p_port" ] || set -- "$@" --p2p-port="$p2p_port"
  "$program" "$@" >"$state/.doctor" 2>&1 || {
    cat "$state/.doctor" >&2
    rm -f "$state/.doctor"
    fail "this machine is not ready: mend what is marked above and run ./install.sh again" \
      "(other ports: ./install.sh --port 8081 --p2p-port 9191)"
  }
  rm -f "$state/.doctor"
}

make_node() {
  if has_node; then
    say "A node is here already: it stays as it is"
    [ -z "$join" ] || fail "to join another network, run \`mycelium join TOKEN\`"
    return 0
  fi
  check_machine
  if [ -n "$join" ]; then
    say "Joining"
    with_settings join "$join" || fail "the join was refused; nothing runs, the program is installed"
  elif [ "$dry_run" = yes ]; then
    say "Making the network ${network:-home}"
    with_settings init --network="${network:-home}"
  else
    say "Making the network ${network:-home}"
    # Its hints are for who types it by hand.
    with_settings init --network="${network:-home}" 2>"$state/.init" || {
      cat "$state/.init" >&2
      rm -f "$state/.init"
      fail "the network could not be made"
    }
    rm -f "$state/.init"
  fi
}

stop_node() {
  if [ "$service" = systemd ] && [ -f "$unit" ]; then
    step systemctl disable --now mycelium.service 2>/dev/null || true
  elif [ -x "$program" ] && [ -f "$state/mycelium.pid" ]; then
    step "$program" stop --state="$state" || rm -f "$state/mycelium.pid"
  fi
}

start_node() {
  if [ "$service" = systemd ]; then
    say "Starting the systemd unit mycelium.service"
    if [ "$dry_run" = no ]; then
      sed "s|^ExecStart=[^ ]*|ExecStart=$program|" "$source/systemd/mycelium.service" >"$unit.new" ||
        fail "cannot write $unit"
      mv "$unit.new" "$unit"
    fi
    step systemctl daemon-reload
    step systemctl enable mycelium.service 2>/dev/null
    step systemctl restart mycelium.service ||
      fail "the unit did not start: see \`systemctl status mycelium\` and \`mycelium logs\`"
  else
    say "Starting in the background (systemd is not process 1 here, or this is not the machine's own node)"
    step "$program" run --background --state="$state" || fail "the node did not start"
  fi
}

# Waits until the node is healthy, for at most 30 s.
wait_healthy() {
  [ "$dry_run" = no ] || return 0
  tries=0
  until "$program" status --check --state="$state" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 120 ] || break
    sleep 0.25
  done
  "$program" status --state="$state" || fail "the node does not answer: see \`mycelium logs --state $state\`"
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
  printf '\nNext:\n'
  printf '  %s token create%s      # prints a token ...\n' "$name" "$where"
  printf '  mycelium join TOKEN        # ... to type on another machine where Mycelium is installed\n'
}

remove() {
  say "Stopping the node"
  stop_node
  say "Removing the program"
  if [ "$service" = systemd ] && [ -f "$unit" ]; then
    step rm -f "$unit"
    step systemctl daemon-reload
  fi
  step rm -f "$program"
  if [ "$purge" = yes ]; then
    say "Deleting the data"
    step rm -rf "$state"
    if [ -n "$owner" ] && id "$owner" >/dev/null 2>&1; then
      step userdel "$owner" 2>/dev/null || step deluser "$owner"
    fi
  else
    say "The data stays in $state; --purge deletes it"
  fi
}

main() {
  set -eu
  source=$(cd "$(dirname "$0")" && pwd)
  parse_arguments "$@"
  chosen_state=$state
  choose_places
  umask 022
  if [ "$uninstall" = yes ]; then
    remove
    return 0
  fi
  check_space "$source" 900 "the build"
  check_space "$prefix" 130 "the program"
  check_space "$state" 200 "the node's data"
  build
  make_user
  stop_node
  install_files
  make_node
  if [ "$start" = no ]; then
    say "Installed; \`$program run --state $state\` starts the node"
    return 0
  fi
  start_node
  wait_healthy
  next_steps
}

main "$@"
