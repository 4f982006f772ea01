// Adds a release: sends its artifact and says how far that is, which fetch cannot tell.

import { setText } from "./dom.js";
import { duration, fill, gettext, size } from "./words.js";

for (const panel of document.querySelectorAll("[data-upload]")) prepare(panel);

/** What happened is told to the page by an `added` event of the panel. */
function prepare(panel) {
  const form = document.getElementById(panel.dataset.upload);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, panel);
  });
}

function send(form, panel) {
  const body = new FormData(form);
  for (const name of ["artifact", "sha256"]) if (isEmpty(body.get(name))) body.delete(name);
  const request = new XMLHttpRequest();
  const began = Date.now();
  const stop = () => request.abort();
  const stay = (event) => event.preventDefault();
  const part = (selector) => panel.querySelector(selector);

  request.upload.addEventListener("progress", ({ loaded, total }) => {
    part("progress").value = loaded / total;
    setText(part("[data-progress]"), sent(loaded, total, (Date.now() - began) / 1000));
  });
  request.addEventListener("loadend", () => {
    busy(panel, false);
    part("[data-stop]").removeEventListener("click", stop);
    removeEventListener("beforeunload", stay);
    if (request.status === 200 || request.status === 201) {
      form.reset();
      panel.dispatchEvent(
        new CustomEvent("added", { bubbles: true, detail: body.get("version") }),
      );
    } else setText(part(".refusal"), refusal(request));
  });
  part("[data-stop]").addEventListener("click", stop);
  addEventListener("beforeunload", stay);
  busy(panel, true);
  request.open("POST", form.action);
  request.setRequestHeader(
    "X-CSRFToken",
    document.querySelector("meta[name=csrf-token]").content,
  );
  request.send(body);
}

function busy(panel, is) {
  panel.querySelector("[type=submit]").disabled = is;
  panel.querySelector("[data-stop]").hidden = !is;
  const progress = panel.querySelector("progress");
  progress.hidden = !is;
  progress.value = 0;
  for (const line of panel.querySelectorAll("[role]")) setText(line, "");
}

function sent(loaded, total, seconds) {
  if (loaded >= total) return gettext("Everything is sent; the server checks it.");
  return fill(gettext("%(sent)s of %(total)s, %(time)s left"), {
    sent: size(loaded),
    total: size(total),
    time: duration((seconds * (total - loaded)) / Math.max(loaded, 1)),
  });
}

function refusal(request) {
  if (request.status === 0) return gettext("The connection ended. Nothing was added.");
  if (request.status === 413)
    return gettext("A proxy in front of this server takes no file of this size (HTTP 413).");
  try {
    return JSON.parse(request.responseText).error.message;
  } catch {
    return fill(gettext("Refused (HTTP %(status)s)."), { status: request.status });
  }
}

function isEmpty(value) {
  return value instanceof File ? !value.name : !value?.trim();
}
