// Where in the log the line is by which a host tells why it failed: the server looks for it.

import { Refused, read } from "./reading.js";

/** Characters that one may look for. */
const MOST = 200;

/** @param url of the job @param told a host that failed, as causes.js knows it
 * @returns its place, see place.js; null where none is known */
export async function lineThatTells(url, told) {
  const step = told?.cause.found_in;
  if (!step) return null;
  let [found, after] = [null, ""];
  do {
    const query = new URLSearchParams({ text: told.line.slice(0, MOST), host: told.name, after });
    const looked = await read(`${url}/search?${query}`, { wanted: () => false }).catch(gone);
    found = looked.hits.findLast((hit) => hit.step === step && hit.kind === "do") ?? found;
    ({ after } = looked);
  } while (after);
  return found;
}

/** It is a help, and no more: the log is there all the same. */
function gone(error) {
  if (!(error instanceof Refused)) console.warn(error);
  return { hits: [], after: null };
}
