# Leaves the wish to stop where the runner and its watchdog look. Empty files: also on a full disk.
if ! cd "$D" 2>/dev/null; then head_ nodir; exit 75; fi
for wish in @WISHES@; do true >"$wish" || exit 75; done
head_ wished
