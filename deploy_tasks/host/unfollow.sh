# Ends who follows the plan in whose directory we are. One follows at a time; and where a connection
# died without a word its shell would stay here for hours. Not its whole group: a runner that it has
# just launched may be in there still. Ids are given again, but not to a process in this directory.
unfollow() {
  if read -r old _ its <follower; then
    for id in "$old" "$its"; do
      if [ "/proc/$id/cwd" -ef . ]; then kill -s KILL "$id"; fi
    done
  fi
} 2>/dev/null
