# Makes "from this step on, nothing will ever start" true, or says that it has started.
# The directory is made where it is missing: a launch that arrives late then finds its claim taken.
umask 077
mkdir -p "$D" && cd "$D" || exit 75
set -C
if { true >"go.@NUMBER@"; } 2>/dev/null; then head_ abandoned; else head_ started; fi
