# Ends a step that has outlived its limit, also while nobody follows, and one that shall be ended:
# what the runner of a plan has beside it.
# In place, where room is reserved: also on a full disk. Only the first line counts.
write() { printf '%s\n' "$2" 1<>"$D/$1"; } 2>/dev/null
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

# An id is believed where it stands twice: sh reads byte by byte, and of what is written meanwhile the
# beginning is of one line and the end of another. Of "1 1234 ..." and "0 0" it may be "1 1": everybody.
watch_over() {
  trap '' HUP
  # Who stands in does so for one step.
  instead=${1-}
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
  # Where the file was taken away, the id that it told last may be another's by now.
  read -r number script limit interrupt started <"$D/now" || script_lives || interrupt=
  # Of a dead runner only the script is left to be watched.
  if ! runner_lives && ! script_lives; then
    end_probe
    if [ "$ending" = "$number" ]; then kill_session "$script"; fi
    exit
  fi
  if [ -n "$instead" ] && [ "$number" != "$instead" ]; then exit; fi
  if [ "${interrupt#*:}" != "$script" ]; then return; fi
  look_at_probe
  if [ "$probe" != 0 ] && [ "$now" -ge "$cut_at" ]; then
    kill_session "$probe"
    write probe 0
  fi
  if [ "$ending" = "$number" ]; then
    # Somebody may have stopped it: it could not note the end.
    if runner_lives; then kill -s CONT "$runner"; fi
    if [ "$now" -ge "$kill_at" ]; then
      kill_session "$script"
      if [ -n "$instead" ]; then exit; fi
    elif [ "$asked" != "$number" ]; then
      look_at_session "$script"
      kill -s TERM -- $others
      asked=$number
    fi
    return
  fi
  is_due || return 0
  ending=$number
  kill_at=$((now + 10))
  write why "$number $why $kill_at"
  if [ "$probe" != 0 ]; then kill_session "$probe"; fi
  # Its other groups in a second: most have none, and many hosts of one machine would look at once.
  kill -s TERM -- "-$script"
}
is_due() {
  why=
  if [ "$now" -ge "$limit" ]; then why=timeout; fi
  if [ -e "$D/cancel" ]; then
    if [ "${interrupt%:*}" = now ] || [ -e "$D/force" ]; then why=cancelled; fi
  fi
  [ -n "$why" ]
}
# What a "wait" asks again and again, and what has to answer in time.
look_at_probe() {
  if ! read -r probe cut_at again <"$D/probe" || [ "$probe" != "$again" ]; then probe=0; fi
}
runner_lives() { alive "$runner" && [ "$found_ticks" = "$ticks" ]; }
script_lives() { alive "$script" && [ "$found_ticks" = "$started" ]; }

# Who watches over a plan may have been killed, or stand still. Whoever asks how the plan is has its
# step ended that ought to be ended by now. Asked in its directory.
stand_in() {
  is_overdue || return 0
  {
    read -r _ runner ticks _ <st
    # It may be just about to.
    nap 3
    is_overdue && watch_over "$number"
  } </dev/null >/dev/null 2>&1 &
}
is_overdue() {
  uptime_
  now=${up%.*}
  read -r number script limit interrupt started <now && [ "${interrupt#*:}" = "$script" ] || return
  look_at_probe
  if [ "$probe" != 0 ] && [ "$now" -gt "$((cut_at + 3))" ]; then return; fi
  is_due && read -r whose _ kill_at <why || return
  [ "$whose" != "$number" ] || [ "$now" -gt "$((${kill_at:-$now} + 5))" ]
} 2>/dev/null
