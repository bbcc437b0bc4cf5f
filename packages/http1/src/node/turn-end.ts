/**
 * Calls at the end of this turn of the event loop, in the order in which it was asked, also what is asked for meanwhile. To wake
 * a peer that sleeps costs more than a write does; whom the first one has woken is awake for the others: so answers leave together.
 */
export function atTurnEnd(work: () => void): void {
  if (waiting.length === 0) setImmediate(endTurn);
  waiting.push(work);
}

let waiting: (() => void)[] = [];

function endTurn(): void {
  let at = 0;
  try {
    while (at < waiting.length) waiting[at++]?.();
  } finally {
    // More than none only where one threw: the others are not to suffer for it.
    waiting = waiting.slice(at);
    if (waiting.length > 0) setImmediate(endTurn);
  }
}
