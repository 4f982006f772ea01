# Of what could not be done: a disk that fails is told from one that is full, or from what is gone.
# "$@" is tried again for its words.
sick() {
  case $(LC_ALL=C "$@" 2>&1) in *nput/output\ error* | *I/O\ error*) head_ sick; exit 75;; esac
}
