uptime_() { read -r up _ </proc/uptime; }
# Where no process can be started any more, sh ends; but not where it evaluates by "command".
try() { command eval '"$@"'; }
# Without a process to sleep, until the clock's next second.
nap() {
  try sleep "$1" && return
  was=${up%.*}
  while uptime_; [ "${up%.*}" = "$was" ]; do :; done
}
