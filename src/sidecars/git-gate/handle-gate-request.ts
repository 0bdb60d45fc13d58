/*
 * Scope: the git gate of one bottle over HTTP: it clones from its task's bare repository and pushes to the branch of its task.
 * Out of scope: who can connect; the sealed network lets one bottle alone reach this.
 * Fail-safe direction: a request is refused unless it is on the short list, the repository is as terok made it, and a record of it could be written.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { isTerokError, messageOf } from '../../core/errors.ts';
import type { ObjectFormat } from '../../core/host-git.ts';
import { checkFetch } from './check-fetch.ts';
import { type GateRefusal, type GateRequest, parseGateRequest } from './gate-request.ts';
import { ensureHooks } from './hooks.ts';
import { type BackendOutcome, readBody, runHttpBackend } from './http-backend.ts';
import { handleLfsRequest, isLfsRequest } from './lfs/handle-lfs-request.ts';
import { LIMITS } from './limits.ts';
import { openScan } from './open-scan.ts';
import { assertOwnConfig, measureRepository, sweepRepository } from './repository.ts';
import type { GateAudit, GateEvent, ServedGate } from './served-gate.ts';

const BRANCH = /^refs\/heads\/terok\/[a-z0-9-]+$/;

/** Requests under way per repository: the one thing that requests share. */
const running = new Map<string, number>();

/** Serves one request; never rejects for a reason that lies in the request. */
export async function handleGateRequest(
  request: IncomingMessage,
  response: ServerResponse,
  gate: ServedGate,
  audit?: GateAudit,
): Promise<void> {
  const wanted = isLfsRequest(request) ? undefined : parseGateRequest(request);
  if (wanted !== undefined && 'status' in wanted) return refuse(response, wanted, gate, audit);
  const count = running.get(gate.repository) ?? 0;
  if (count >= LIMITS.concurrent)
    return refuse(response, { status: 429, reason: `at most ${LIMITS.concurrent} git requests run at once; try again` }, gate, audit);
  running.set(gate.repository, count + 1);
  try {
    await (wanted === undefined ? handleLfsRequest(request, response, gate, audit) : serve({ request, response, wanted, gate, audit }));
  } finally {
    const left = (running.get(gate.repository) ?? 1) - 1;
    if (left === 0) running.delete(gate.repository);
    else running.set(gate.repository, left);
  }
}

interface Served {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly wanted: GateRequest;
  readonly gate: ServedGate;
  readonly audit: GateAudit | undefined;
}

async function serve({ request, response, wanted, gate, audit }: Served): Promise<void> {
  try {
    if (!BRANCH.test(gate.writableRef))
      return refuse(response, { status: 500, reason: 'the plan of this bottle names no branch' }, gate, audit);
    const format = await assertOwnConfig(gate.repository);
    const full = wanted.service === 'git-receive-pack' ? await prepareForPush(gate.repository) : undefined;
    if (full !== undefined) return refuse(response, full, gate, audit);
    const hooks = await ensureHooks(path.dirname(gate.repository));
    audit?.record({ kind: 'git', decision: 'allow', slug: gate.slug, service: wanted.service, phase: wanted.phase });
    await using scan = await openScan(gate);
    const body = isFetch(wanted) ? await readFetch({ request, response, wanted, gate, format }) : undefined;
    const outcome = await runHttpBackend(request, response, wanted, {
      ...gate,
      body,
      hooks,
      scan: scan.job,
      scanFailure: scan.failureFile,
      afterPush: gate.afterPush,
    });
    if (wanted.phase === 'exchange') audit?.record(doneEvent(gate.slug, wanted, outcome));
    const seen = wanted.phase === 'exchange' ? await scan.event() : undefined;
    if (seen !== undefined) audit?.record(seen);
    if (seen?.['canary'] === true) gate.onCanary?.();
  } catch (error) {
    fail(response, error, gate, audit);
  }
}

const isFetch = ({ service, phase }: GateRequest): boolean => service === 'git-upload-pack' && phase === 'exchange';

/** The body of a fetch, once nothing in it asks for more than the task sees. */
async function readFetch({ request, response, wanted, gate, format }: Omit<Served, 'audit'> & { format: ObjectFormat }): Promise<Buffer> {
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  response.once('close', abort);
  try {
    return await checkFetch({ repository: gate.repository, format, body: await readBody(request, wanted), signal: gone.signal });
  } finally {
    response.off('close', abort);
  }
}

async function prepareForPush(repository: string): Promise<GateRefusal | undefined> {
  await sweepRepository(repository);
  const { bytes, packs } = await measureRepository(repository);
  if (bytes > LIMITS.repositoryBytes)
    return { status: 507, reason: `the repository of this task has reached ${LIMITS.repositoryBytes} bytes` };
  return packs > LIMITS.packs ? { status: 507, reason: `this task has pushed more than ${LIMITS.packs} times` } : undefined;
}

function doneEvent(slug: string, wanted: GateRequest, outcome: BackendOutcome): GateEvent {
  return {
    kind: 'git',
    decision: 'allow',
    slug,
    service: wanted.service,
    phase: 'done',
    status: outcome.status,
    bytesIn: outcome.bytesIn,
    bytesOut: outcome.bytesOut,
  };
}

function fail(response: ServerResponse, error: unknown, gate: { readonly slug: string }, audit: GateAudit | undefined): void {
  if (response.destroyed && !response.writableFinished) {
    recordDenial(audit, { kind: 'git', decision: 'deny', slug: gate.slug, reason: 'the bottle went away before the end' });
    return;
  }
  const { code, context } = isTerokError(error) ? error : { code: undefined, context: {} };
  if (code === 'DISK_FULL') return refuse(response, { status: 507, reason: 'the disk of the host is full' }, gate, audit, messageOf(error));
  const status = code === 'REFUSED' ? Number(context['status'] ?? 413) : code === 'TIMEOUT' ? 504 : 502;
  // The agent learns the rule that it broke, not the host's paths
  const reason =
    code === 'REFUSED' || code === 'TIMEOUT'
      ? messageOf(error)
      : 'the gate could not serve this request; `terok doctor` on the host says more';
  refuse(response, { status, reason }, gate, audit, messageOf(error));
}

function refuse(
  response: ServerResponse,
  refusal: GateRefusal,
  gate: { readonly slug: string },
  audit: GateAudit | undefined,
  detail?: string,
): void {
  recordDenial(audit, { kind: 'git', decision: 'deny', slug: gate.slug, status: refusal.status, reason: detail ?? refusal.reason });
  if (response.headersSent) response.destroy();
  else {
    response.writeHead(refusal.status, { 'content-type': 'text/plain; charset=utf-8', 'x-terok-denied': 'git', connection: 'close' });
    response.end(`terok: ${refusal.reason}\n`);
  }
}

/** A refusal stands, also where the log cannot be written. */
function recordDenial(audit: GateAudit | undefined, event: GateEvent): void {
  try {
    audit?.record(event);
  } catch (error) {
    process.emitWarning(messageOf(error));
  }
}
