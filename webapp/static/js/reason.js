// Why the next order is given: a line beside the buttons that ask nothing. Orders that ask before
// they are given have such a line of their own, which comes first.

export class Reason {
  #field;
  #open;

  /** @param open the button that shows and hides the field @param field its label and input */
  constructor(open, field) {
    this.#field = field;
    this.#open = open;
    open.addEventListener("click", () => {
      this.#show(field.hidden);
      if (!field.hidden) this.#input.focus();
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#show(false);
      open.focus();
    });
  }

  /** With the reason, if the order has none and one is written. What is hidden is not given. */
  given(body) {
    const note = this.#field.hidden ? "" : this.#input.value.trim();
    return note ? { note, ...body } : body;
  }

  /** The order was taken: the next one has reasons of its own. */
  taken() {
    this.#input.value = "";
    this.#show(false);
  }

  get #input() {
    return this.#field.querySelector("input");
  }

  #show(shown) {
    this.#field.hidden = !shown;
    this.#open.setAttribute("aria-expanded", String(shown));
  }
}
