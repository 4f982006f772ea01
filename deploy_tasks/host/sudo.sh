# Asks sudo of each command that the recipe declares whether this user may run it. Runs none of them.
may() {
  echo "asked $*"
  if said=$(sudo -n -l -- "$@" 2>&1); then printf 'may %s\n' "$said" | head -n 1
  else printf 'no %s\n' "$said" | tail -n 1
  fi
}
@COMMANDS@
echo
echo rules
sudo -n -l 2>&1 || :
