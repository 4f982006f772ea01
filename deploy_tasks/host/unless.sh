# Runs the script unless its work is there already. Both are given the variables, each on a
# descriptor of its own: to keep them would take a process more.
D=${0%/*}
if sh -eu "$D/@PROBE@" >/dev/null 2>&1 4<&-; then
  printf '%s\n' "@NUMBER@ skipped" 1<>"$D/why"
  exit 0
fi
exec sh @FLAGS@ "$D/@SCRIPT@" 3<&4 4<&-
