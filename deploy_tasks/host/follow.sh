# Sends the log from an offset as it grows, and tells about the runner for each line it is sent.
# The answers go to standard error: standard output is the log and nothing else after the header.
# What the runner has noted itself: all that is known of steps whose end is not in the log.
slots() {
  while read -r what number rest; do
    case $what in S|E) set -- $rest; printf ' %s' "$what,$number${1+,$1}${2+,$2}${3+,$3}";; esac
  done <st
}
# The relay outlives the runner until it has written everything. One that sleeps has: it waits for
# more, of a daemon that keeps the output open; one that is stopped, or waits for a disk, has not.
log_grows() {
  for fd in /proc/[0-9]*/fd/1; do
    if [ "$fd" -ef log ] && read -r stat <"${fd%/fd/1}/stat"; then
      set -- ${stat##*) }
      case $1 in S|I|Z|X) ;; *) return 0;; esac
    fi
  done
  return 1
} 2>/dev/null
report() {
  # It has ended by itself, as a tail that does not know its options: the reader asks for another.
  # Or the plan was taken away under us: whoever comes next is told so.
  if ! alive "$follower" || [ ! -e st ]; then exit; fi
  runner=$(state_of_runner 2>/dev/null)
  case $runner in
    alive|orphan) try stand_in;;
    # Since another boot nobody writes.
    dead|"") if log_grows; then runner=writing; fi;;
  esac
  read -r up _ </proc/uptime
  case $runner in
    alive|starting|writing) printf '\036%s R %s %s\n' "$N" "$runner" "$up";;
    *)
      # On a disk that has failed it could not note its end, either.
      failed=
      { true 1<>st; } 2>/dev/null || failed=' W'
      set -- "${runner:-dead}" "$up" "$(($(wc -c <log) + 0))" "$(slots)"
      printf '\036%s R %s %s %s%s%s\n' "$N" "$@" "$failed";;
  esac
}
# The reader compares what it has with what lies here: "sum" asks for all of it, "part SIZE" for its
# beginning. The answer is cksum's own: to take it down would cost a copy of this shell.
compare() {
  printf '\036%s C ' "$N"
  if ! command -v cksum >/dev/null; then echo "- $(($(wc -c <log) + 0))"; return; fi
  case $1 in "") cksum <log;; *) head -c "$1" log | cksum;; esac
}
head_ "$word"
@FOLLOWER@ &
follower=$!
unfollow
# Workers of an earlier version look for a second word.
{ echo "$$ - $follower" >|follower; } 2>/dev/null
# The end of standard input means that the other side is gone or has seen enough.
while read -r question size; do
  case $question in sum) compare "";; part) compare "$size";; *) report;; esac >&2
done
kill "$follower"
wait "$follower"
