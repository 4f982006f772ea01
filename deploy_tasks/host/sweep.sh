# Removes old plans, with whoever follows one still, and all but the newest artifacts.
forget() {
  if cd "runs/$1" 2>/dev/null; then
    unfollow
    cd "$HOME/.patchwave" || exit 0
  fi
  rm -rf "runs/$1"
}
cd "$HOME/.patchwave" || exit 0
@FORGET@
sweep_parts
cd artifacts 2>/dev/null || exit 0
ls -t | grep -v '\.part$' | tail -n +@FIRST@ | while read -r old; do rm -f "$old"; done
