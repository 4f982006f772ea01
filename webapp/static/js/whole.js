// The first script of every page: hears when another script or a style does not come, or breaks
// before the page has begun; says so where the page says how it is connected, and loads it again.
// No module: modules may be what is missing. Its words come with it, for so may the catalogue be.

(() => {
  const FIRST_PAUSE = 3000; // milliseconds
  const LONGEST_PAUSE = 30_000;
  const ANSWER_WITHIN = 10_000;
  /** Times that a page is loaded again by itself, and each time questions whether the server is there. */
  const LOADS = 4;
  const QUESTIONS = 12;
  /** How often it was loaded again since a page has begun; of this tab. */
  const KEY = "loaded-again";

  const said = document.currentScript.dataset;
  const node = document.createElement("span");
  const text = document.createElement("span");
  let begun = false;
  let broken = false;
  let typed = false;

  addEventListener("error", hear, true);
  addEventListener("unhandledrejection", () => breaks());
  addEventListener("input", () => (typed = true), true);
  addEventListener(said.until, () => {
    begun = true;
    if (!broken) keep(0);
  });

  function hear({ target, filename }) {
    // An exception has a file: those of a browser's extensions are not ours.
    if (filename?.startsWith(location.origin) || target.matches?.("script, link[rel=stylesheet]")) breaks();
  }

  function breaks() {
    if (begun || broken) return;
    broken = true;
    if (document.body) begin();
    else document.addEventListener("DOMContentLoaded", begin);
  }

  function begin() {
    show();
    const loads = kept();
    if (loads < LOADS && said.again) wait(said.again, loads, 0);
    else text.textContent = said.left;
  }

  /** Growing, and never for all at once: a server that has just begun is not met by everybody. */
  function wait(words, loads, questions) {
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (loads + questions));
    const pause = longest * (0.75 + Math.random() / 2);
    text.textContent = words.replace("…", Math.round(pause / 1000));
    setTimeout(() => again(loads, questions + 1), pause);
  }

  async function again(loads, questions) {
    const isThere = await answers();
    // What a person has begun to write is not taken away.
    if (typed || (!isThere && questions >= QUESTIONS)) text.textContent = said.left;
    else if (!isThere) wait(said.away, loads, questions);
    else if (keep(loads + 1)) location.reload();
    else text.textContent = said.left;
  }

  async function answers() {
    try {
      const signal = AbortSignal.timeout(ANSWER_WITHIN);
      return (await fetch(said.healthz, { cache: "no-store", signal })).ok;
    } catch {
      return false;
    }
  }

  function show() {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "btn s", textContent: said.reload });
    button.addEventListener("click", () => location.reload());
    node.setAttribute("role", "alert");
    node.append(text, " ", button);
    const badge = document.querySelector("#link, #live");
    node.className = badge ? "badge wait unwhole" : "note error unwhole";
    if (badge) badge.after(node);
    else (document.querySelector("main") ?? document.body).prepend(node);
  }

  function kept() {
    try {
      return Number(sessionStorage.getItem(KEY)) || 0;
    } catch {
      return LOADS;
    }
  }

  /** Gives whether it is kept: who cannot count does not load again. */
  function keep(loads) {
    try {
      sessionStorage.setItem(KEY, loads);
      return true;
    } catch {
      return false;
    }
  }
})();
