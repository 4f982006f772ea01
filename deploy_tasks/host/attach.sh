# Goes to a plan that was launched before; never starts anything.
if ! cd "$D" 2>/dev/null; then sick ls -d "$D"; head_ nodir; exit 75; fi
if [ ! -e log ]; then sick ls log; head_ noplan; exit 75; fi
word=exists
