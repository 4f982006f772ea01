# Claims the plan's directory, lays down its files, starts the runner detached.
# The claim is mkdir, which one caller wins.
lay() {
@FILES@
@STAGED@
for name in @NOTES@; do printf '0 0\n%60s' '' >"$name" || return 1; done
printf '%-63s\n' @SLOTS@ >st && : >log
}
login_umask=$(umask)
umask 077
for d in "$HOME/.patchwave" "${D%/*}"; do
  if [ -L "$d" ] || { [ -e "$d" ] && [ ! -O "$d" ]; }; then head_ foreign; exit 75; fi
done
@STAGE@
if { mkdir "$D" || { [ ! -d "$D" ] && mkdir -p "${D%/*}" && mkdir "$D"; }; } 2>/dev/null; then
  cd "$D" || exit 75
  # A full disk shows here: the runner is not started, and the plan is abandoned later.
  lay 2>/dev/null || { head_ noroom; exit 75; }
  setsid sh ./run "$N" "$login_umask" >/dev/null 2>&1 <<'@MARK@' &
@SECRETS@
@MARK@
  word=launched
elif cd "$D" 2>/dev/null && [ -e log ]; then word=exists
else head_ noplan; exit 75
fi
