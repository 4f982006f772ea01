# What a job would need of this host. Read-only; each answer is a line that begins with a word.
[ -r /proc/sys/kernel/random/boot_id ] || echo missing /proc
for tool in setsid sha256sum head tail sleep; do
  command -v "$tool" >/dev/null || echo "missing $tool"
done
# What others may write there, they could have run.
case $(ls -ld "$HOME/.patchwave" 2>/dev/null) in
  ?????w* | ????????w*) echo "open $HOME/.patchwave" ;;
esac
[ -w "$HOME" ] || echo "readonly $HOME"
echo "time $(date -u +%s)"
echo "disk $HOME"
df -Pk "$HOME" || :
for path in @PATHS@; do
  [ -d "$path" ] || continue
  echo "disk $path"
  df -Pk "$path" || :
done
