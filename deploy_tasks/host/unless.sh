# Runs the script unless its work is there already.
secrets=$(cat <&3)
exec 3<&-
D=${0%/*}
if sh -eu "$D/@PROBE@" >/dev/null 2>&1 3<<@MARK@
$secrets
@MARK@
then
  printf '%-63s\n' "@NUMBER@ skipped" 1<>"$D/why"
  exit 0
fi
exec sh @FLAGS@ "$D/@SCRIPT@" 3<<@MARK@
$secrets
@MARK@
