// Reads from the API. Reading is safe to repeat: a server that restarts is waited for.

const ANSWER_WITHIN = 20_000; // milliseconds
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/** The JSON at an address, however long it takes; given up when it is no longer wanted. */
export async function read(url, { wanted = () => true } = {}) {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(LONGEST_PAUSE, pause * 2)) {
    try {
      return await once(url);
    } catch (error) {
      if (error instanceof Refused || !wanted()) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
    }
  }
}

/** The log-in, a right or the thing itself is gone: asking again would not help. */
export class Refused extends Error {}

async function once(url) {
  const answer = await fetch(url, {
    headers: { Accept: "application/json" },
    signal: AbortSignal.timeout(ANSWER_WITHIN),
  });
  if ([401, 403, 404].includes(answer.status)) throw new Refused(`HTTP ${answer.status}`);
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return answer.json();
}
