// How much of the window stands above the hosts: what is beside them ends where the window does.

/** @param run the part of the page with the hosts; its `--above` is kept, in pixels */
export function tellAbove(run) {
  new ResizeObserver(() => run.style.setProperty("--above", `${run.offsetTop}px`)).observe(run.parentElement);
}
