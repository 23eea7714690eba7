#!/bin/sh
# Stands in for the executable where only install.sh is under test: writes down how it was called, and does as a node
# would as far as install.sh can see. FAKE_FAILS names the commands that are refused,
# FAKE_REVERTS the program whose start ends with the one before running again.
command=${1:-}
state=''
for word in "$@"; do case $word in --state=*) state=${word#--state=} ;; esac; done
printf '%s\n' "$*" >>"$FAKE_CALLS"
case " ${FAKE_FAILS:-} " in *" $command "*) echo "$command was refused" >&2; exit 1 ;; esac
case $command in
  --launcher-verify | doctor) ;;
  --launcher-info) printf '{"coreSha256":"%s"}\n' "$(sha256sum "$0" | cut -d ' ' -f 1)" ;;
  init | join) : >"$state/node.key" ;;
  run)
    echo 1 >"$state/mycelium.pid"
    [ -n "${FAKE_REVERTS:-}" ] || exit 0
    mkdir -p "$state/slots"
    printf 'payload %s\nrefused %s\nreason it hung\n' "$FAKE_REVERTS" "$FAKE_REVERTS" >"$state/slots/record"
    ;;
  stop) rm -f "$state/mycelium.pid" ;;
  status) [ -f "$state/mycelium.pid" ] && echo healthy ;;
  *) exit 2 ;;
esac
