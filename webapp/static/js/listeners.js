// Who listens to a stream. A mistake of theirs is theirs: it is reported, and the story goes on.

export class Listeners {
  #on;

  /** @param on name -> function, those that are wanted */
  constructor(on) {
    this.#on = on;
  }

  call(name, ...about) {
    try {
      this.#on[name]?.(...about);
    } catch (error) {
      report(error);
    }
  }
}

export function report(error) {
  if (globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}
