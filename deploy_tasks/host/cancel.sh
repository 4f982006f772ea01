# Leaves the wish to stop where the runner and its watchdog look. Empty files: also on a full disk;
# where it can hold no more files, the one that says who follows can be missed.
if ! cd "$D" 2>/dev/null; then head_ nodir; exit 75; fi
for wish in @WISHES@; do true >"$wish" || mv follower "$wish" || exit 75; done
head_ wished
