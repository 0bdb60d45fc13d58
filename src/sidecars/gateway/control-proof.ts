/*
 * Scope: control connections of bottles whose users the host's kernel cannot tell apart (the monitor of a microVM opens the sockets of all
 * of them): the first bytes must be a word that only root of the bottle can read. Out of scope: bottles in which the agent is root.
 * Fail-safe direction: too little, too late or something else is a refusal.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { patient } from '../../core/patience.ts';

const PROOF_BYTES = 64;
const WAIT_MS = patient(10_000);

/** What a gateway keeps of a proof: enough to know it again, not enough to give it. */
export function digestOfProof(proof: string): string {
  return createHash('sha256').update(proof).digest('hex');
}

export interface ProofAnswers {
  readonly accept: (socket: Socket) => void;
  readonly refuse: (socket: Socket, reason: string) => void;
}

/** Reads the proof off a connection, no byte more, and gives the connection to one of the two. */
export function demandProof(socket: Socket, digest: string, { accept, refuse }: ProofAnswers): void {
  const end = (reason: string | undefined): void => {
    clearTimeout(timer);
    socket.off('readable', look).off('close', close).off('end', close);
    if (reason === undefined) accept(socket);
    else refuse(socket, reason);
  };
  const look = (): void => {
    const word = socket.read(PROOF_BYTES) as Buffer | null;
    if (word === null) return;
    const isRight = timingSafeEqual(Buffer.from(digestOfProof(word.toString('latin1'))), Buffer.from(digest));
    end(isRight ? undefined : "it did not say the word of the bottle's init");
  };
  const close = (): void => end("it ended before it said the word of the bottle's init");
  const timer = setTimeout(() => end("it did not say the word of the bottle's init in time"), WAIT_MS);
  socket.on('readable', look).once('close', close).once('end', close);
}
