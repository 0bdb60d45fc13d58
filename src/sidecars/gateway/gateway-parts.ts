import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import path from 'node:path';
import { isTerokError, messageOf, TerokError } from '../../core/errors.ts';
import type { EgressPolicy } from '../../core/index.ts';
import { http } from '../../core/node-http.ts';
import { type AuditLog, createEgress, type EgressOptions, openAuditLog, resolveOnHost, targetResolver } from '../egress/index.ts';
import { canaryMarkFile } from './canary-file.ts';
import { pauseBottle } from './canary-pause.ts';
import type { GatewayParts } from './gateway.ts';
import { type GatewayPlan, SEALED } from './gateway-plan.ts';
import type { NetworkFiles } from './network-files.ts';
import { ProvenInjections } from './proven-injections.ts';
import { watchVault } from './watched-vault.ts';

/** The first push of a large repository takes its time. */
const PUSH_MS = 30 * 60_000;

/** Makes the parts of one gateway; fails where a credential that a route promises is missing. */
export async function createParts(plan: GatewayPlan, files: NetworkFiles): Promise<GatewayParts> {
  const extraCas = [plan.upstreamCa, plan.targets?.caFile].filter((file) => file !== undefined);
  const vault = await openVault(plan, extraCas);
  const audit = openAuditLog(files.audit);
  const [certificatePem, keyPem, upstreamCas] = await Promise.all([
    readFile(plan.ca.certificate, 'utf8'),
    readFile(plan.ca.key, 'utf8'),
    Promise.all(extraCas.map((file) => readFile(file, 'utf8'))),
  ]);
  const ca = { certificatePem, keyPem };
  const proven = new ProvenInjections(path.join(plan.stateDir, 'injection-proven'));
  const assertUsable = async (policy: EgressPolicy): Promise<void> => {
    await assertSecrets(policy, vault.check);
    await proven.require(policy, { ca, readSecret: vault.read, dir: plan.runtimeDir });
  };
  await assertUsable(plan.policy);
  const egress = await createEgress({
    policy: plan.policy,
    ca,
    readSecret: vault.read,
    onRefusedSecret: vault.refused,
    watched: await watchVault(plan.vaultDir),
    ...(await tripwireOf(plan)),
    audit,
    budgetFile: files.budgets,
    answersFile: files.answers,
    ...(plan.upstreamProxy === undefined ? {} : { upstreamProxy: plan.upstreamProxy }),
    ...(upstreamCas.length === 0 ? {} : { upstreamCaPem: upstreamCas.join('\n') }),
    ...(plan.targets === undefined ? {} : { resolveName: targetResolver(plan.targets.nameServer, resolveOnHost) }),
  });
  return {
    egress,
    audit: egress.audit,
    gate: createGate(plan, audit, () => egress.sentCanary(SEALED.gateName)),
    assertSecrets: assertUsable,
  };
}

/** Throws GATEWAY_FAILED for the first secret that a route uses and the vault does not give. */
export async function assertSecrets(policy: EgressPolicy, readSecret: (name: string) => Promise<unknown>): Promise<void> {
  const names = new Set(policy.routes.flatMap(({ inject, oauth }) => [inject?.secret, oauth?.secret]).filter((name) => name !== undefined));
  for (const name of names) {
    try {
      await readSecret(name);
    } catch (error) {
      throw new TerokError('GATEWAY_FAILED', `The secret \`${name}\` of a route cannot be read: ${messageOf(error)}`, {
        context: { secret: name },
        hint: (isTerokError(error) ? error.hint : undefined) ?? `Store it with \`terok secret set ${name}\`.`,
        cause: error,
      });
    }
  }
}

async function tripwireOf(plan: GatewayPlan): Promise<Pick<EgressOptions, 'tripwire'>> {
  if (plan.canaryFile === undefined) return {};
  const canary = (await readFile(plan.canaryFile, 'utf8')).trim();
  return { tripwire: { canary, file: canaryMarkFile(plan.stateDir), onTrip: () => pauseBottle(plan) } };
}

interface GatewayVault {
  /** The value to send */
  readonly read: (name: string) => Promise<string>;
  /** The server answered that this value does not let in */
  readonly refused: (name: string, value: string) => Promise<void>;
  /** Rejects where there is no such secret; asks no server */
  readonly check: (name: string) => Promise<unknown>;
}

async function openVault({ vaultDir: dir, upstreamProxy }: GatewayPlan, caFiles: readonly string[]): Promise<GatewayVault> {
  const { Credentials, Vault } = await import('../../vault/index.ts');
  const credentials = new Credentials({ dir, caFiles, ...(upstreamProxy === undefined ? {} : { proxy: upstreamProxy }) });
  const vault = new Vault(dir);
  return {
    read: (name) => credentials.value(name),
    refused: (name, value) => credentials.refused(name, value),
    check: (name) => vault.get(name),
  };
}

/** The HTTP server of the git gate, loaded when the bottle first asks for it. */
function createGate(
  { gate, slug, vaultDir, canaryFile }: GatewayPlan,
  audit: AuditLog,
  onCanary: () => void,
): ((socket: Socket) => void) | undefined {
  if (gate === undefined) return undefined;
  const load = async (): Promise<(socket: Socket) => void> => {
    const { handleGateRequest } = await import('../git-gate/index.ts');
    const server = http.createServer({ headersTimeout: 30_000, requestTimeout: PUSH_MS }, (request, response) => {
      handleGateRequest(
        request,
        response,
        { ...gate, slug, vaultDir, ...(canaryFile === undefined ? {} : { canaryFile }), onCanary },
        audit,
      ).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error(messageOf(error)));
      });
    });
    return (socket) => void server.emit('connection', socket);
  };
  let serve: Promise<(socket: Socket) => void> | undefined;
  return (socket) => {
    serve ??= load();
    serve.then((accept) => accept(socket)).catch(() => socket.destroy());
  };
}
