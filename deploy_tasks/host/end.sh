# Ends what a person has decided about without knowing its end: nothing of the plan starts any more,
# and a script that runs is asked to end. Says "quiet" once nothing runs, and is asked until then.
umask 077
if ! cd "$D" 2>/dev/null; then
  # In one move: a runner whose directory was taken away must not find it again without the wish.
  mkdir -p "$D.end/go.1" && true >"$D.end/cancel" && mv "$D.end" "$D" && cd "$D" || exit 75
fi
unfollow
mkdir go.1 2>/dev/null
# Without room for the wish: what has begun is never begun again, and its end can be waited for.
true >cancel || mv follower cancel || [ -e go.1 ] || exit 75
case $(state_of_runner 2>/dev/null) in alive|orphan) try stand_in; head_ busy; exit;; esac
# Also where its notes are gone. The pattern does not find itself.
if cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -q "/runs/@PLAN@/[0-9]"
then head_ busy
else head_ quiet
fi
