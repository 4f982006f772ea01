// In which order hosts are listed: what a person has to look at comes first. Pure.

import { FAILED } from "./states.js";

/**
 * @param names in the order in which hosts are updated @param stateOf a host, by its name @param held
 * names that are listed now and stay where they are: others come behind them
 */
export function arranged(names, stateOf, held = []) {
  const there = new Set(names);
  const stay = held.filter((name) => there.has(name));
  const stays = new Set(stay);
  const ranks = [[], [], []];
  for (const name of names) if (!stays.has(name)) ranks[rank(stateOf(name))].push(name);
  return [...stay, ...ranks.flat()];
}

/** Only states that stay for a while: nothing jumps because a connection broke, and was back. */
function rank(state) {
  if (FAILED.has(state)) return 0;
  return state === "unknown" ? 1 : 2;
}
