# Has the artifact brought before anything starts: when it is asked for, its bytes are all that is
# left on standard input. It appears whole or not at all. Sets "staged" to what was found.
refuse() { rm -f "$part"; head_ "$1"; exit 75; }
no_space() {
  rm -f "$part"
  sick mkdir "$part"
  rmdir "$part" 2>/dev/null
  refuse nospace
}
# Uploads of the same host run, over connections that have died without a word: sshd would keep them
# for hours, waiting for the rest.
end_uploads() {
  for old in "$artifact.@RUN@".*.part; do
    if [ ! -e "$old" ]; then return; fi
    for file in /proc/[0-9]*/fd/9; do
      id=${file#/proc/}
      if [ "$file" -ef "$old" ]; then kill -s KILL "${id%%/*}"; fi
    done
    rm -f "$old"
  done
}
receive() {
  head_ wanted
  began=${up%.*}
  head -c @SIZE@ >&9
}
stage() {
  artifact=$HOME/@PATH@
  staged=had
  end_uploads
  if [ -e "$artifact" ]; then return; fi
  sweep_parts
  part=$artifact.@RUN@.$$.part
  if ! command -v sha256sum >/dev/null; then refuse nosum; fi
  # Made and held open at once: by that it is known whose it is.
  if ! own "${artifact%/*}" || ! receive 9>"$part"; then can_write || refuse readonly; no_space; fi
  # Not every sha256sum can compare; one that can need not be listened to by a copy of this shell.
  if ! sha256sum -c /proc/self/fd/3 <"$part" >/dev/null 2>&1 3<<END
@SUM@  -
END
  then
    sum=$(sha256sum <"$part")
    if [ "${sum%% *}" != @SUM@ ]; then refuse damaged; fi
  fi
  mv "$part" "$artifact" || no_space
  read -r up _ </proc/uptime
  staged="@SIZE@ bytes in $((${up%.*} - began)) s"
}
