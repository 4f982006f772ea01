# What lives on of a plan whose runner is gone, or whose notes are: an id and a name each.
of_session() {
  cd "$D" && read -r _ _ _ boot _ <st && read -r now_boot </proc/sys/kernel/random/boot_id || return
  read -r _ script _ again _ <now || return
  # The id of a session is given to nobody else while somebody is in it.
  if [ "$boot" != "$now_boot" ] || [ "${again#*:}" != "$script" ] || alive "$script"; then return; fi
  LC_ALL=C grep -ls ") [^ZX] [0-9]* [0-9]* $script [-0-9 ]\{40,\}$" /proc/[0-9]*/stat
}
head_ left
{
  # The pattern does not find itself.
  grep -ls "/runs/@PLAN@/[0-9]" /proc/[0-9]*/cmdline
  of_session
} 2>/dev/null | while read -r file; do
  id=${file%/*}
  id=${id#/proc/}
  read -r name <"/proc/$id/comm" && printf '%s %s\n' "$id" "$name"
done 2>/dev/null
