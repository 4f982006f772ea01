# Has the artifact brought before anything starts: when it is asked for, its bytes are all that is
# left on standard input. It appears whole or not at all. Sets "staged" to what was found.
refuse() { rm -f "$part"; head_ "$1"; exit 75; }
no_space() {
  rm -f "$part"
  sick mkdir "$part"
  rmdir "$part" 2>/dev/null
  refuse nospace
}
stage() {
  artifact=$HOME/@PATH@
  staged=had
  if [ -e "$artifact" ]; then return; fi
  part=$artifact.$$.part
  if ! own "${artifact%/*}" || ! true >"$part"; then can_write || refuse readonly; no_space; fi
  if ! command -v sha256sum >/dev/null; then refuse nosum; fi
  sweep_parts
  head_ wanted
  began=${up%.*}
  head -c @SIZE@ >"$part" || no_space
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
