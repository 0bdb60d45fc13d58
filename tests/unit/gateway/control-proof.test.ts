import { createConnection, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { demandProof, digestOfProof } from '../../../src/sidecars/gateway/control-proof.ts';

const PROOF = 'a1'.repeat(32);

/** What a gateway that knows `PROOF` makes of a client that says `words`; for an accepted one also what is left on the connection. */
async function judge(words: string, thenEnd = false): Promise<string> {
  const server = createServer({ allowHalfOpen: true });
  const judged = new Promise<string>((resolve) => {
    server.once('connection', (socket: Socket) => {
      socket.on('error', () => socket.destroy());
      demandProof(socket, digestOfProof(PROOF), {
        accept: (known) => void known.once('data', (rest: Buffer) => resolve(`accepted, then ${rest.toString()}`)),
        refuse: (_, reason) => resolve(`refused: ${reason}`),
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  const client = createConnection(bound.port, '127.0.0.1');
  client.on('error', () => client.destroy());
  client.write(words);
  if (thenEnd) client.end();
  const answer = await judged;
  client.destroy();
  server.close();
  return answer;
}

describe('the proof of a control connection', () => {
  it('lets in who says the word, and takes no byte more', async () => {
    expect(await judge(`${PROOF}SSH-2.0`)).toBe('accepted, then SSH-2.0');
  });

  it('refuses who says another word, or what is kept of the word', async () => {
    expect(await judge('b2'.repeat(32))).toMatch(/^refused/);
    expect(await judge(digestOfProof(PROOF))).toMatch(/^refused/);
  });

  it('refuses who ends before', async () => {
    expect(await judge('a1', true)).toMatch(/^refused/);
  });
});
