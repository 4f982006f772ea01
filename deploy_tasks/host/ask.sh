# Asks, and ends what hangs: whoever asks keeps our standard input open for as long as he waits, and
# it ends with his connection. All that answers has it as descriptor 7; a process group of its own a
# question need not have (dropbear). New ones may come while we look.
exec 7<&0 </dev/null
{
  read -r _
  for _ in 1 2 3; do
    for file in /proc/[0-9]*/fd/7; do
      id=${file#/proc/}
      if [ "$file" -ef /proc/self/fd/0 ]; then kill -s KILL "${id%%/*}"; fi
    done
  done
} <&7 7<&- >/dev/null 2>&1 &
trap "kill -s KILL $! 2>/dev/null || :" EXIT
cd
