# Runs a probe once, in a session of its own, and ends it when it takes too long.
cd
setsid sh -c 'p=$(cat); exec </dev/null; set -eu; eval "$p"' 2>&1 <<'@MARK@' &
@SCRIPT@
@MARK@
probe=$!
(
  trap 'kill $nap; exit' TERM
  sleep @CUT@ &
  nap=$!
  wait "$nap"
  kill -s KILL -- "-$probe"
) >/dev/null 2>&1 &
cutter=$!
wait "$probe"
status=$?
kill "$cutter" 2>/dev/null
exit "$status"
