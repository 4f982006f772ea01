# Makes "nothing of this plan will ever start" true, or says that it has started. Says nothing where
# neither is certain. A directory, so that it is told from the runner's own mark;
# and the plan's is made where it is missing: a launch that arrives late finds its claim taken.
umask 077
mkdir -p "$D" && cd "$D" || exit 75
if mkdir "go.1" 2>/dev/null || [ -d "go.1" ]; then head_ abandoned
elif [ -e "go.1" ]; then head_ started
fi
