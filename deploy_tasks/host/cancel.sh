# Leaves the wish to stop where the runner and its watchdog look.
if ! cd "$D" 2>/dev/null; then head_ nodir; exit 75; fi
echo @HOW@ >cancel.new && mv cancel.new cancel && head_ wished
