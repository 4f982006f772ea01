// The host that is pointed at, in one line that never moves: no tooltips that jump.

import { setText } from "./dom.js";
import { tell } from "./states.js";

export class ReadOut {
  constructor(root) {
    [this.name, this.text, this.detail] = root.querySelectorAll("b, span, code");
  }

  show(host) {
    const [text, detail] = host ? tell(host) : ["", ""];
    setText(this.name, host?.name ?? "");
    setText(this.text, text);
    setText(this.detail, detail ?? "");
  }
}
