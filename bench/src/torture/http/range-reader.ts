import { Agent, get } from 'node:http';

/** An answer that came whole. */
interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/**
 * Asks for parts of a file over one connection, first for all of it, so that the server comes to know a reader who takes what he is given. Calls
 * `came` with each part that came whole, and where it begins. Resolves when the connection was cut, or `enough` were asked for.
 */
export async function readRanges(
  url: string,
  enough: number,
  place: () => readonly [first: number, last: number],
  came: (part: Buffer, first: number) => void,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const { status, body } = await ask(url, agent, undefined);
    if (status !== 200) return;
    came(body, 0);
    for (let count = 1; count < enough; count++) {
      const [first, last] = place();
      const part = await ask(url, agent, `bytes=${first}-${last}`);
      if (part.status === 206) came(part.body, first);
    }
  } catch {
    // Cut, as it is to be when the file changes.
  } finally {
    agent.destroy();
  }
}

function ask(url: string, agent: Agent, range: string | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, headers: range === undefined ? {} : { range } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('close', () => {
        if (response.complete) resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) });
        else reject(new Error('the answer was cut'));
      });
    });
    request.on('error', reject);
  });
}
