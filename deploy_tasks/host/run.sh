# The runner of one plan, detached from the connection that launched it. Arguments: nonce, umask.
# Secrets come on standard input and stay in memory. Each step is: take go.K (O_EXCL: "started", or somebody made it "will never start"), note the
# start in a slot whose room is reserved, run the script in a session of its own, note the end.
N=$1
D=$PWD
umask "$2"
secrets=$(cat)
exec </dev/null
E=

slot() { printf '%-63s\n' "$*" >&8; }
uptime_() { read -r up _ </proc/uptime; }
finish() {
  printf '%b\036%s Z %s\n' "$E" "$N" "$1"
  kill "$watchdog"
  wait "$watchdog"
  exit 0
}

# step NUMBER FLAGS FILE LIMIT INTERRUPT OPTIONAL
step() {
  if [ -e "$D/cancel" ]; then finish cancelled; fi
  { true >"$D/go.$1"; } 2>/dev/null || finish abandoned
  uptime_
  slot S "$1" "$up"
  printf '%b\036%s S %s %s\n' "$E" "$N" "$1" "$up"
  setsid sh "$2" "$D/$3" 8>&- 3<<@MARK@ &
$secrets
@MARK@
  script=$!
  printf '%s %s %s %s\n' "$1" "$script" "$((${up%.*} + $4))" "$5" >|"$D/now"
  wait "$script"
  status=$?
  printf '0 0 0 0\n' >|"$D/now"
  note=-
  if [ -e "$D/skip.$1" ]; then note=skipped; fi
  if [ -e "$D/why.$1" ]; then read -r note <"$D/why.$1"; fi
  uptime_
  slot E "$1" "$status" "$up" "$note"
  # The end of one step and the start of the next leave in one write.
  E="\0036$N E $1 $status $up $note\n"
  if [ "$note" = cancelled ]; then finish cancelled; fi
  if [ "$status" = 0 ] || [ "$6" = optional ]; then return; fi
  finish failed
}

# Ends a step that has outlived its limit, also while nobody follows, and one that shall be ended.
watch_over() {
  trap 'kill $nap; exit' TERM
  ending=
  while :; do
    sleep 1 &
    nap=$!
    wait "$nap"
    uptime_
    now=${up%.*}
    { read -r number script limit interrupt <"$D/now"; } 2>/dev/null || continue
    if [ "$script" = 0 ]; then continue; fi
    if [ "$ending" = "$number" ]; then
      if [ "$now" -ge "$kill_at" ]; then kill -s KILL -- "-$script"; fi
      continue
    fi
    why=
    if [ "$now" -ge "$limit" ]; then why=timeout; fi
    if [ -e "$D/cancel" ]; then
      read -r how <"$D/cancel"
      if [ "$interrupt" = now ] || [ "$how" = force ]; then why=cancelled; fi
    fi
    if [ -z "$why" ]; then continue; fi
    echo "$why" >"$D/why.$number"
    ending=$number
    kill_at=$((now + 10))
    kill -s TERM -- "-$script"
  done
}

{
  # A trap with a command, unlike an ignored signal, is not passed on to the scripts.
  trap : HUP PIPE
  set -C
  read -r stat </proc/self/stat
  pid=${stat%% *}
  set -- ${stat##*) }
  shift 19
  read -r boot </proc/sys/kernel/random/boot_id
  exec 8<>st
  slot M "$pid" "$1" "$boot"
  watch_over >/dev/null 2>&1 8>&- &
  watchdog=$!
  cd
@STEPS@
  finish done
} 2>&1 | cat >>log 2>/dev/null
