// What every page has: times in the reader's own zone, filters that act at once, the narrow menu.

import { moment } from "./words.js";

tellTimes(document);

for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

const menu = document.getElementById("menu");
menu?.addEventListener("click", () => {
  const open = document.getElementById("nav").classList.toggle("open");
  menu.setAttribute("aria-expanded", String(open));
});

/** Moments as the reader's own clock tells them; what the server wrote stays as the title. */
export function tellTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = moment(time.dateTime);
  }
}
