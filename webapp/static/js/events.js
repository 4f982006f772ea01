// Events of a job over HTTP, a page at a time.

const ANSWER_WITHIN = 30_000; // milliseconds

/** The server will not tell us: the log-in, the right or the job is gone. */
export class Refused extends Error {}
/** The server, or the way to it, is away. */
export class Away extends Error {}

/** `{events, to, last_seq}` after a cursor, with the output of "all", "none" or named hosts. */
export async function readEvents(fetch, url, after, output) {
  const query = new URLSearchParams({ after });
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
    throw error instanceof Refused ? error : new Away(error.message);
  }
}

/** No host has an empty name: asking for it leaves all output out. */
function named(output) {
  return output === "none" || output.length === 0 ? [""] : output;
}
