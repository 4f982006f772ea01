# The runner of one plan: a child of the launcher that outlives it, and has nothing of its
# connection. It begins with go.1 (O_EXCL: "started", or somebody made it "will never start"). Each
# step is: note the start in a slot whose room is reserved, run the script in a session of its own,
# note the end. Scripts and their variables stay in memory: a pipe brings them to the sh that reads
# them. sh reads one byte at a time: what is read often is kept short; and where it waits for what it
# starts it need not copy itself first.
slot() { printf '%-63s\n' "$*" >&8; }
# Who this very process is. An id may be given again; with the start it cannot.
look_at_self() {
  read -r stat </proc/self/stat
  runner=${stat%% *}
  set -- ${stat##*) }
  shift 19
  ticks=$1
}
# It stands in the plan's directory, and is known by that.
watch() {
  { cd "$D"; watch_over; } >/dev/null 2>&1 8>&- &
  watchdog=$!
}
finish() {
  records="$records\0036$N Z $1\n"
  tell
  # It ends by itself, a moment later, where its id may be another's.
  if [ "/proc/$watchdog/cwd" -ef "$D" ]; then
    kill -s KILL "$watchdog"
    wait "$watchdog"
  fi
  exit 0
}

# step NUMBER FLAGS LIMIT INTERRUPT OPTIONAL SCRIPT
step() {
  begin "$1"
  tell
  # The script looks whose child it is, and notes itself; there is no file of its name. Our own
  # standard error is no part of the log: sh would tell there that a signal has ended it.
  limit="$((${up%.*} + $3)) $4"
  try run "$@"
  status=$?
  note=-
  read -r whose why _ <"$D/why" && if [ "$whose" = "$1" ]; then note=$why; fi
  # It ended well in the very moment in which it was to be ended.
  if [ "$status" = 0 ] && [ "$note" = cancelled ]; then note=-; fi
  case $note in timeout|cancelled) wait_for_session;; esac
  if [ "$status" != 0 ]; then
    try end_probe
    # A bash before 5.1 puts what comes by pipe into a file first.
    if read -r number _ <"$D/now" && [ "$number" = 0 ]; then
      records="the script could not begin: is /tmp full, or too much running?\n"
    fi
  fi
  write now "0 0"
  over "$1" "$5"
}

run() {
  setsid sh "$2" -c '. /proc/self/fd/5' "$D/$1.sh" "$runner" "$1" "$limit" 8>&- @GIVE@
}

# bring NUMBER OPTIONAL: the artifact was brought before. To say so takes no process.
bring() {
  begin "$1"
  note=-
  status=0
  if [ ! -e "$artifact" ]; then
    said="the artifact is no longer on the host"
    status=66
  elif [ "$staged" = had ]; then
    said="it is on the host already"
    note=skipped
  else
    said="$staged, sha256 checked"
    staged=had
  fi
  records="$records$said\n"
  over "$1" "$2"
}

begin() {
  if [ -e "$D/cancel" ] || [ -e "$D/pause" ]; then finish cancelled; fi
  # What was begun goes on for as long as its directory is there.
  case $1 in 1) true >"$D/go.1";; *) [ -e "$D/go.1" ];; esac || finish abandoned
  # It may have been killed, or stopped.
  kill -s CONT "$watchdog" || try watch
  slot S "$1" "$up"
  records="$records\0036$N S $1 $up\n"
}

# Each write wakes the relay, the follower, sshd and us: records wait for what takes time.
tell() {
  printf %b "$records"
  records=
}

over() {
  uptime_
  slot E "$1" "$status" "$up" "$note"
  records="$records\0036$N E $1 $status $up $note\n"
  if [ "$note" = cancelled ]; then finish cancelled; fi
  if [ "$status" = 0 ] || [ "$2" = optional ]; then return; fi
  finish failed
}

# A script was ended; what it has started may take longer, and is ended by the watchdog, too. Not
# for ever: it may belong to somebody else, or wait for a disk.
wait_for_session() {
  read -r _ script _ <"$D/now" || return 0
  tries=150
  lives=yes
  while try look_at_session "$script"; [ -n "$lives" ] && [ "$tries" -gt 0 ]; do
    try sleep .1 || nap 1
    tries=$((tries - 1))
  done
  if [ -n "$lives" ]; then
    records="still there, and could not be ended: process groups -$script$others\n"
  fi
}

{
  # A trap with a command, unlike an ignored signal, is not passed on to the scripts.
  trap : HUP PIPE
  exec </dev/null 2>/dev/null
  set -C
  records=
  variables=@VARIABLES@
  look_at_self
  read -r boot </proc/sys/kernel/random/boot_id
  exec 8<>st
  slot M "$runner" "$ticks" "$boot"
  watch
  cd
  uptime_
@STEPS@
  finish done
} | {
  trap '' HUP
  exec >>log 2>/dev/null
  cat || exec cat >/dev/null
} &
