// How much of the window stands above the hosts: what is beside them ends where the window does.

/** @param run the part of the page with the hosts; its `--above` is kept, in pixels, from now on */
export function keepAbove(run) {
  const tell = () => run.style.setProperty("--above", `${run.offsetTop}px`);
  tell();
  const seen = new ResizeObserver(tell);
  seen.observe(run.parentElement);
  return seen;
}
