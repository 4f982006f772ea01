// Events of a job over HTTP, a page at a time.

const ANSWER_WITHIN = 30_000; // milliseconds
/** Bytes of a page: as many as the server gives, and as few as still bring us on. */
const PAGE = 1024 * 1024;
const SMALLEST = 16 * 1024;

/** The server will not tell us: the log-in, the right or the job is gone. */
export class Refused extends Error {}
/** The server, or the way to it, is away. */
export class Away extends Error {}

/** It answers, but not so much in so short a time. */
class Slow extends Away {}

/** Reads page after page: smaller ones on a line that cannot bring as much in time. */
export class Pages {
  #fetch;
  #url;
  #bytes = PAGE;

  constructor(fetch, url) {
    this.#fetch = fetch;
    this.#url = url;
  }

  /**
   * `{events, to, last_seq}` after a cursor, with the output of "all", "none" or named hosts. Throws
   * Refused, or Away: then one may try again.
   */
  async read(after, output) {
    try {
      const page = await readEvents(this.#fetch, this.#url, after, output, this.#bytes);
      this.#bytes = Math.min(PAGE, this.#bytes * 2);
      return page;
    } catch (error) {
      if (error instanceof Slow) this.#bytes = Math.max(SMALLEST, this.#bytes / 8);
      throw error;
    }
  }
}

async function readEvents(fetch, url, after, output, limit) {
  const query = new URLSearchParams({ after });
  if (limit < PAGE) query.set("limit", limit);
  if (output !== "all") for (const host of named(output)) query.append("host", host);
  try {
    const answer = await fetch(`${url}?${query}`, {
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
    if ([401, 403, 404].includes(answer.status)) throw new Refused(`HTTP ${answer.status}`);
    if (!answer.ok) throw new Away(`HTTP ${answer.status}`);
    return await answer.json();
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw error.name === "TimeoutError" ? new Slow(error.message) : new Away(error.message);
  }
}

/** No host has an empty name: asking for it leaves all output out. */
function named(output) {
  return output === "none" || output.length === 0 ? [""] : output;
}
