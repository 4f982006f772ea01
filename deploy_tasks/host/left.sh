# What lives on of the step that ran last, when neither its runner nor its shell does: an id and a
# name each. The id of a session is given to nobody else while somebody is in it.
cd "$D" || exit 75
head_ left
exec 2>/dev/null
read -r _ _ _ boot _ <st && read -r now_boot </proc/sys/kernel/random/boot_id
if [ "$boot" != "$now_boot" ]; then exit; fi
read -r _ script _ again _ <now
if [ "${again#*:}" != "$script" ] || alive "$script"; then exit; fi
LC_ALL=C grep -ls ") [^ZX] [0-9]* [0-9]* $script [-0-9 ]\{40,\}$" /proc/[0-9]*/stat |
while read -r file; do
  id=${file%/stat}
  id=${id#/proc/}
  read -r name <"/proc/$id/comm" && printf '%s %s\n' "$id" "$name"
done
