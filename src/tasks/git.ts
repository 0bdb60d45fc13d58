/** The task layer's side of the upstream: naming it, its key, and what it has. */
import { isTerokError, TerokError } from '../core/index.ts';
import { ensureGate, listTaskBranches, readSync, syncUpstream, takePending } from '../projects/git/index.ts';
import { identifyProject, type Project } from '../projects/index.ts';
import { ensureProjectKey, parseUpstreamUrl, readUpstream, writeUpstream } from '../upstream/index.ts';
import { Vault } from '../vault/index.ts';
import type { TaskContext } from './context.ts';
import { loadSettings } from './effective-settings.ts';
import { forwardPush } from './forward-push.ts';
import { listForwards } from './forward-record.ts';
import type { GitApi, SyncView, UpstreamView, UpstreamWish } from './git-api.ts';
import { openUpstream } from './open-upstream.ts';
import { vaultDir } from './plan-gateway.ts';

export function createGitApi(context: TaskContext): GitApi {
  const open = async (source: string): Promise<Project> => await identifyProject(context.paths, source);
  return {
    setUpstream: async (source, wish) => await setUpstream(context, await open(source), wish),
    upstream: async (source) => await showUpstream(context, await open(source)),
    key: async (source) => await ensureProjectKey(new Vault(vaultDir(context)), (await open(source)).id),
    sync: async (source, take = []) => await sync(context, await open(source), take),
  };
}

async function setUpstream(context: TaskContext, project: Project, wish: UpstreamWish): Promise<UpstreamView> {
  const { kind, url } = parseUpstreamUrl(wish.url);
  const before = await readUpstream(project.dataDir);
  const same = before !== undefined && parseUpstreamUrl(before.url).host === parseUpstreamUrl(url).host ? before : undefined;
  if (kind === 'https' && (wish.hostKeys !== undefined || wish.useAgent === true))
    throw new TerokError('USAGE', 'Host keys and the SSH agent belong to an SSH upstream.', {
      hint: 'Name the credential with `--secret NAME`.',
    });
  if (kind === 'ssh' && wish.secret !== undefined)
    throw new TerokError('USAGE', 'An SSH upstream has a key in place of a secret.', {
      hint: '`terok git key` prints the one of this project.',
    });
  const vault = new Vault(vaultDir(context));
  for (const name of [wish.secret, wish.forge?.secret]) if (name !== undefined) await vault.get(name);
  const hostKeys = wish.hostKeys?.map((key) => key.trim().split(/\s+/).slice(0, 2).join(' ')) ?? same?.hostKeys;
  const [secret, user, forge] = [wish.secret ?? same?.secret, wish.user ?? same?.user, wish.forge ?? same?.forge];
  await writeUpstream(project.dataDir, {
    version: 1,
    url,
    ...(kind === 'ssh' && hostKeys !== undefined ? { hostKeys } : {}),
    ...(wish.useAgent === true ? { useAgent: true } : {}),
    ...(kind === 'https' && secret !== undefined ? { secret } : {}),
    ...(user === undefined ? {} : { user }),
    ...(forge === undefined ? {} : { forge }),
  });
  return await showUpstream(context, project);
}

async function showUpstream(context: TaskContext, project: Project): Promise<UpstreamView> {
  const [record, { settings }] = await Promise.all([readUpstream(project.dataDir), loadSettings(context, project)]);
  if (record === undefined)
    throw new TerokError('NOT_FOUND', `The project \`${project.id}\` has no upstream.`, {
      hint: 'Name it with `terok git upstream set URL`.',
    });
  const last = await readSync(await ensureGate(project.dataDir, project.source));
  const { version: _, hostKeys = [], useAgent = false, ...rest } = record;
  return {
    project: project.id,
    kind: parseUpstreamUrl(record.url).kind,
    hostKeys,
    useAgent,
    class: settings.git.class,
    ...rest,
    ...(last === undefined ? {} : { lastSync: last.at }),
  };
}

async function sync(context: TaskContext, project: Project, take: readonly string[]): Promise<SyncView> {
  const gate = await ensureGate(project.dataDir, project.source);
  const upstream = await openUpstream(context, project);
  const { version: _, ...report } = await syncUpstream(gate, upstream);
  const restore: (readonly string[])[] = [];
  for (const branch of take) {
    const command = await takePending(gate, branch);
    if (command !== undefined) restore.push(command);
  }
  const pending = take.length === 0 ? report.pending : ((await readSync(gate))?.pending ?? []);
  return { project: project.id, ...report, pending, restore, retried: await retryForwards(context, gate) };
}

/** Pushes that were to go on and could not, because the upstream was away or terok was killed. */
async function retryForwards(context: TaskContext, gate: string): Promise<readonly string[]> {
  const retried: string[] = [];
  for (const { slug, ref, tip } of await listTaskBranches(gate)) {
    const last = (await listForwards(gate, slug)).findLast((entry) => entry.ref === ref);
    if (last?.commit === tip && last.outcome !== 'failed') continue;
    try {
      const lines = await forwardPush(context, slug, `${'0'.repeat(tip.length)} ${tip} ${ref}`);
      retried.push(...lines);
    } catch (error) {
      if (!isTerokError(error)) throw error;
      retried.push(`${ref.slice('refs/heads/'.length)}: ${error.message}`);
    }
  }
  return retried;
}
