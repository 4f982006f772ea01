# The runner of one plan: a child of the launcher that outlives it, and has nothing of its
# connection. It begins with go.1 (O_EXCL: "started", or somebody made it "will never start"). Each
# step is: note the start in a slot whose room is reserved, run the script in a session of its own,
# note the end. Scripts and their variables stay in memory: a pipe brings them to the sh that reads
# them. sh reads one byte at a time: what is read often is kept short; and where it waits for what it
# starts it need not copy itself first.
slot() { printf '%-63s\n' "$*" >&8; }
# In place, where room is reserved: also on a full disk. Only the first line counts.
write() { printf '%s\n' "$2" 1<>"$D/$1"; } 2>/dev/null
uptime_() { read -r up _ </proc/uptime; }
# Where no process can be started any more, sh ends; but not where it evaluates by "command".
try() { command eval '"$@"'; }
# Without a process to sleep, until the clock's next second.
nap() {
  try sleep "$1" && return
  was=${up%.*}
  while uptime_; [ "${up%.*}" = "$was" ]; do :; done
}
# Who this very process is, and whose child. An id may be given again; with the start it cannot.
look_at_self() {
  read -r stat </proc/self/stat
  me=${stat%% *}
  set -- ${stat##*) }
  parent=$2
  shift 19
  ticks=$1
}
finish() {
  records="$records\0036$N Z $1\n"
  tell
  kill -s KILL "$watchdog"
  wait "$watchdog"
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
  read -r whose why <"$D/why" && if [ "$whose" = "$1" ]; then note=$why; fi
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

# What of a session lives, and in which groups beside its first: "timeout" and "set -m" make some.
# The dead do not count: where nobody reaps, they stay. grep, for sh reads one byte at a time. From
# the name of a program, which may lie, to the end of the line there are numbers alone.
look_at_session() {
  session=$1
  set -- $(LC_ALL=C grep -hos ") [^ZX] [0-9]* [0-9]* $1 [-0-9 ]\{40,\}$" /proc/[0-9]*/stat)
  lives=
  others=
  if [ $# = 0 ] && ! command -v grep >/dev/null && kill -s 0 -- "-$session"; then lives=yes; fi
  place=0
  for word do
    place=$((place + 1))
    case $word in ")") place=1;; esac
    if [ "$place" = 4 ]; then
      lives=yes
      case "$others -$session " in *" -$word "*) ;; *) others="$others -$word";; esac
    fi
  done
}
# Never everybody (-1), nor ourselves (-0). Its first group at once: it may be what keeps us from
# looking, by starting more and more.
kill_session() {
  case $1 in [2-9]*|1?*) ;; *) return;; esac
  kill -s KILL -- "-$1"
  look_at_session "$1"
  kill -s KILL -- $others
}
# Of a wait that was killed: one that ends by itself has none.
end_probe() {
  if read -r probe _ again <"$D/probe" && [ "$probe" = "$again" ]; then
    kill_session "$probe"
    write probe 0
  fi
} 2>/dev/null
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

# Ends a step that has outlived its limit, also while nobody follows, and one that shall be ended.
# An id is believed where it stands twice: sh reads byte by byte, and of what is written meanwhile the
# beginning is of one line and the end of another. Of "1 1234 ..." and "0 0" it may be "1 1": everybody.
watch_over() {
  trap '' HUP
  ending=
  asked=
  script=0
  probe=0
  while :; do
    nap 1
    try look_after_script
  done
}
look_after_script() {
  uptime_
  now=${up%.*}
  look_at_self
  # Where the file was taken away, the id that it told last may be another's by now.
  read -r number script limit interrupt started <"$D/now" || script_lives || interrupt=
  # Of a dead runner only the script is left to be watched.
  if [ "$parent" != "$runner" ] && ! script_lives; then
    end_probe
    if [ "$ending" = "$number" ]; then kill_session "$script"; fi
    exit
  fi
  if [ "${interrupt#*:}" != "$script" ]; then return; fi
  # What a "wait" asks again and again, and what has to answer in time.
  if ! read -r probe cut_at again <"$D/probe" || [ "$probe" != "$again" ]; then probe=0; fi
  if [ "$probe" != 0 ] && [ "$now" -ge "$cut_at" ]; then
    kill_session "$probe"
    write probe 0
  fi
  if [ "$ending" = "$number" ]; then
    # Somebody may have stopped it: it could not note the end.
    if [ "$parent" = "$runner" ]; then kill -s CONT "$runner"; fi
    if [ "$now" -ge "$kill_at" ]; then kill_session "$script"
    elif [ "$asked" != "$number" ]; then
      look_at_session "$script"
      kill -s TERM -- $others
      asked=$number
    fi
    return
  fi
  why=
  if [ "$now" -ge "$limit" ]; then why=timeout; fi
  if [ -e "$D/cancel" ]; then
    if [ "${interrupt%:*}" = now ] || [ -e "$D/force" ]; then why=cancelled; fi
  fi
  if [ -z "$why" ]; then return; fi
  write why "$number $why"
  ending=$number
  kill_at=$((now + 10))
  if [ "$probe" != 0 ]; then kill_session "$probe"; fi
  # Its other groups in a second: most have none, and many hosts of one machine would look at once.
  kill -s TERM -- "-$script"
}
script_lives() {
  read -r stat </proc/"$script"/stat || return 1
  set -- ${stat##*) }
  case $1 in Z|X) return 1;; esac
  shift 19
  [ "$1" = "$started" ]
}

{
  # A trap with a command, unlike an ignored signal, is not passed on to the scripts.
  trap : HUP PIPE
  exec </dev/null 2>/dev/null
  set -C
  records=
  variables=@VARIABLES@
  look_at_self
  runner=$me
  read -r boot </proc/sys/kernel/random/boot_id
  exec 8<>st
  slot M "$runner" "$ticks" "$boot"
  watch_over >/dev/null 2>&1 8>&- &
  watchdog=$!
  cd
  uptime_
@STEPS@
  finish done
} | {
  trap '' HUP
  exec >>log 2>/dev/null
  cat || exec cat >/dev/null
} &
