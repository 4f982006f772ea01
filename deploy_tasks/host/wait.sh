# Asks again and again: good once the probe has ended 0 without exception for long enough, and as
# often as is wanted. Times are hundredths of a second. Prints what the probe says when that changes.
variables=$(cat <&3)
exec 3<&- 4<&-
D=${0%/*}
probe=
clock() { uptime_; now=${up%.*}${up#*.}; }
ask() {
  setsid sh -eu "$D/@PROBE@" >"$out" 2>&1 3<<END &
$variables
END
}
hear() { says=$(cat "$out"); }
# Between two probes there is none: the id of the last one may be another's by now.
trap '[ -z "$probe" ] || kill -s KILL -- "-$probe"; exit 143' TERM
clock
began=$now
patience=@CUT@
good=0
said=
says=
while :; do
  clock
  asked=$now
  # On a full disk what it says is lost, and not what it finds.
  out=$D/@PROBE@.out
  { printf '%99s' '' >"$out" || out=/dev/null; } 2>/dev/null
  # Where no process can be started for a while, nothing is known of what would be asked.
  if ! try ask 2>/dev/null; then
    says="no process can be started to ask"
    ended=$says
    status=
  else
    probe=$!
    # The plan's watchdog cuts off one that hangs.
    printf '%s\n' "$probe $((now / 100 + patience)) $probe" 1<>"$D/probe"
    wait "$probe"
    status=$?
    probe=
    printf '%s\n' 0 1<>"$D/probe"
    ended="the last probe ended with exit status $status"
    try hear 2>/dev/null
  fi
  if [ "$says" != "$said" ]; then printf '%s\n' "$says"; fi
  said=$says
  clock
  if [ "$status" = 0 ]; then
    if [ "$good" = 0 ]; then since=$asked; fi
    good=$((good + 1))
    if [ "$good" -ge @TIMES@ ] && [ "$((now - since))" -ge @STABLE@ ]; then exit 0; fi
  elif [ -n "$status" ]; then good=0
  fi
  if [ "$((now - began))" -ge @MOST@ ]; then
    echo "gave up after @MOST_SAYS@: $ended"
    exit 1
  fi
  nap @EVERY@ 2>/dev/null
done
