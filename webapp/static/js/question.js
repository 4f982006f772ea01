// A question in a dialog: what will happen is said, its buttons are the answers, and a note says why.

import { setText } from "./dom.js";

export class Question {
  #dialog;
  #note;
  #onAnswer = null;

  /** @param id of the dialog: a form whose buttons have values; "" leaves all as it is */
  constructor(id) {
    this.#dialog = document.getElementById(id);
    this.#note = this.#dialog.querySelector("[name=note]");
    // Whoever ends a note with Enter has not chosen an answer yet.
    this.#note?.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
    this.#dialog.addEventListener("close", () => {
      const answer = this.#dialog.returnValue;
      this.#dialog.returnValue = "";
      if (!answer) return;
      const note = this.#note?.value.trim() ?? "";
      if (this.#note) this.#note.value = "";
      this.#onAnswer(answer, note ? { note } : {});
    });
  }

  /** `onAnswer(value, {note?})` once, unless it is left as it is. */
  ask(onAnswer) {
    this.#onAnswer = onAnswer;
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  /** What stands at data-say=which. */
  say(which, text) {
    setText(this.#dialog.querySelector(`[data-say=${which}]`), text);
  }

  /** Which answers there are. */
  offer(answers) {
    for (const button of this.#dialog.querySelectorAll("button[value]"))
      if (button.value) button.hidden = !answers.includes(button.value);
  }
}
