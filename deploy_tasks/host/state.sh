# How a plan stands, asked in its directory. Judged by start ticks, for ids are given again.
state_of_runner() {
  read -r _ pid ticks boot _ <st || return 0
  read -r now_boot </proc/sys/kernel/random/boot_id
  if [ -z "$ticks" ]; then echo starting; return; fi
  if [ "$boot" != "$now_boot" ]; then echo rebooted; return; fi
  if alive "$pid" && [ "$ticks" = "$found_ticks" ]; then echo alive; return; fi
  if read -r _ script _ _ started <now && alive "$script" && [ "$found_ticks" = "$started" ]
  then echo orphan; return; fi
  echo dead
}
alive() {
  { read -r stat </proc/"$1"/stat; } 2>/dev/null || return 1
  set -- ${stat##*) }
  case $1 in Z|X) return 1;; esac
  shift 19
  found_ticks=$1
}
