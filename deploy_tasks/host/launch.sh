# Claims the plan's directory, lays down its files, starts the runner, which outlives this shell.
# The claim is mkdir, which one caller wins.
lay() {
@FILES@
for name in @NOTES@; do printf '0 0\n%60s' '' >"$name" || return 1; done
printf '%-63s\n' @SLOTS@ >st && true >log
}
no_room() {
  sick mkdir "$1.try"
  rmdir "$1.try" 2>/dev/null
  head_ noroom
  exit 75
}
# Nobody else may enter these: what lies in them may have the modes of the log-in. All at once: most
# of what a small program costs is its start.
own() {
  [ -d "$1" ] || mkdir -m 700 "$HOME/.patchwave" "$HOME/.patchwave/runs" "$HOME/.patchwave/artifacts"
  [ -d "$1" ]
} 2>/dev/null
can_write() { [ -w "$HOME" ] && { [ ! -e "$HOME/.patchwave" ] || [ -w "$HOME/.patchwave" ]; }; }
command -v setsid >/dev/null || { head_ nosetsid; exit 75; }
# Such as in a container, or early in a boot.
[ -r /proc/self/stat ] || { head_ noproc; exit 75; }
for d in "$HOME/.patchwave" "${D%/*}"; do
  if [ -L "$d" ] || { [ -e "$d" ] && [ ! -O "$d" ]; }; then head_ foreign; exit 75; fi
done
@STAGE@
if own "${D%/*}" && mkdir -m 700 "$D" 2>/dev/null; then
  cd "$D" || exit 75
  # A full disk shows here: the runner is not started, and the plan is abandoned later.
  lay 2>/dev/null || no_room "$D/1"
@RUNNER@
  word=launched
elif cd "$D" 2>/dev/null && [ -e log ]; then word=exists
elif [ -d "$D" ]; then head_ noplan; exit 75
elif can_write; then no_room "$HOME/.patchwave.$$"
else head_ readonly; exit 75
fi
