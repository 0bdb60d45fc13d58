import { finished } from 'node:stream/promises';
import { findAgent, loadRoster, loginFromFile } from '../agents/index.ts';
import { loadGlobalConfig } from '../core/config/index.ts';
import type { Bottle, BottleProcess, ExecOptions } from '../core/index.ts';
import { bottleDirs, isAlive, TerokError } from '../core/index.ts';
import { resolveSlugPrefix } from '../core/resolve/index.ts';
import { identifyProject } from '../projects/index.ts';
import { formatOAuthSecret, parseOAuthInput, Secret, Vault } from '../vault/index.ts';
import type {
  AgentSummary,
  ApplyReport,
  BackendReport,
  ConfigReport,
  CopyRequest,
  RunEvents,
  RunOutcome,
  RunRequest,
  Terok,
  TerokOptions,
} from './api.ts';
import { BACKEND_NAMES } from './backends.ts';
import { openBottle } from './bottle-life.ts';
import { createContext, type Repair, type TaskContext } from './context.ts';
import { chooseBackend, loadSettings } from './effective-settings.ts';
import { buildRequested, listTerokImages, pruneUnused } from './images.ts';
import { lazyApi } from './lazy-api.ts';
import { lazyEgress } from './lazy-egress.ts';
import { readOutput } from './output-log.ts';
import { vaultDir } from './plan-gateway.ts';
import { recover, removeOrphans } from './recover.ts';
import { diffWork } from './repository.ts';
import { runTask } from './run-task.ts';
import { removeTask, startTask, stopTask } from './task-commands.ts';
import { revokeKeys } from './task-keys.ts';
import { readTask, type TaskRecord } from './task-record.ts';
import { describeTask, listTasks } from './task-views.ts';

/**
 * Opens terok for the user of this process. Before the first operation it repairs what killed processes left behind.
 *
 * @example
 * const terok = createTerok();
 * await terok.secrets.set('anthropic', key);
 */
export function createTerok(options: TerokOptions = {}): Terok {
  return new LocalTerok(createContext(options.env ?? process.env, options.targets, options.onRepair));
}

class LocalTerok implements Terok {
  readonly #context: TaskContext;
  readonly #vault: Vault;
  #recovered: Promise<void> | undefined;

  constructor(context: TaskContext) {
    this.#context = context;
    this.#vault = new Vault(vaultDir(context));
    const findTask = async (text: string): Promise<TaskRecord> => await this.#task(await this.#slug(text));
    this.reviews = lazyApi(
      async () => (await import('./reviews.ts')).createReviews(context, findTask),
      ['open', 'diff', 'approve', 'reject'],
    );
    this.git = lazyApi(async () => (await import('./git.ts')).createGitApi(context), ['setUpstream', 'upstream', 'key', 'sync']);
  }

  async run(request: RunRequest, events: RunEvents): Promise<RunOutcome> {
    await this.#recover();
    return await runTask(this.#context, request, events);
  }

  async list(): Promise<Awaited<ReturnType<Terok['list']>>> {
    await this.#recover();
    return await listTasks(this.#context);
  }

  async status(text: string): Promise<Awaited<ReturnType<Terok['status']>>> {
    return await describeTask(this.#context, await this.#slug(text));
  }

  async exec(text: string, argv: readonly string[], options: ExecOptions = {}): Promise<BottleProcess> {
    const bottle = await this.#runningBottle(await this.#slug(text));
    try {
      const task = await this.#task(bottle.id);
      const child = await bottle.spawn(argv, { cwd: `/work/${task.project.name}`, ...options });
      // what a command wrote can come after the word that it ended
      const outputs = options.terminal === undefined ? [child.stdout, child.stderr] : [child.stdout];
      const release = (): Promise<void> => bottle[Symbol.asyncDispose]();
      void Promise.allSettled([child.exited, ...outputs.map((output) => finished(output))]).then(release);
      return child;
    } catch (error) {
      await bottle[Symbol.asyncDispose]();
      throw error;
    }
  }

  async copy(request: CopyRequest): Promise<Awaited<ReturnType<Terok['copy']>>> {
    await using bottle = await this.#runningBottle(await this.#slug(request.slug));
    const { checkReEntry } = await import('./re-entry.ts');
    const call = request.signal === undefined ? {} : { signal: request.signal };
    return request.direction === 'in'
      ? await bottle.copyIn(request.hostPath, request.bottlePath, call)
      : await bottle.copyOut(request.bottlePath, request.hostPath, {
          ...call,
          beforePublish: checkReEntry(request.hostPath, request.accept),
        });
  }

  async logs(text: string, options: { readonly follow?: boolean; readonly signal?: AbortSignal } = {}): ReturnType<Terok['logs']> {
    const slug = await this.#slug(text);
    return readOutput(bottleDirs(this.#context.paths, slug).stateDir, {
      follow: options.follow === true,
      isRunning: async () => {
        const task = await readTask(this.#context.paths, slug);
        return task?.finishedAt === undefined && task?.runner !== undefined && isAlive(task.runner);
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  async stop(text: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await stopTask(this.#context, await this.#slug(text), options);
  }

  async start(text: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await startTask(this.#context, await this.#slug(text), options);
  }

  async remove(text: string, options: { readonly force?: boolean } = {}): Promise<void> {
    await removeTask(this.#context, await this.#slug(text), options.force === true);
    await revokeKeys(this.#context, this.#context.onRepair);
  }

  async diff(text: string): Promise<AsyncIterable<Buffer | string>> {
    return await diffWork(await this.#task(await this.#slug(text)));
  }

  async apply(text: string, choice: Parameters<Terok['apply']>[1] = {}): Promise<ApplyReport> {
    const { applyWork } = await import('./reviews.ts');
    return await applyWork(this.#context, await this.#task(await this.#slug(text)), choice);
  }

  async discard(text: string): Promise<void> {
    const slug = await this.#slug(text);
    await removeTask(this.#context, slug, true);
    await revokeKeys(this.#context, this.#context.onRepair);
  }

  async verifyProvenance(source: string, revision: string): ReturnType<Terok['verifyProvenance']> {
    await this.#recover();
    const { checkProvenance } = await import('./provenance.ts');
    return await checkProvenance(this.#context, source, revision);
  }

  async push(text: string, wish: Parameters<Terok['push']>[1] = {}): ReturnType<Terok['push']> {
    const { pushWork } = await import('./push-work.ts');
    return await pushWork(this.#context, await this.#task(await this.#slug(text)), wish);
  }

  readonly reviews: Terok['reviews'];

  readonly images: Terok['images'] = {
    build: async (request) => {
      const { value } = await this.#globalBackend(request.backend);
      return await buildRequested(this.#context, value, request);
    },
    list: async () => await listTerokImages((await this.#globalBackend(undefined)).value),
    prune: async (options = {}) => await pruneUnused(this.#context, (await this.#globalBackend(undefined)).value, options.all === true),
  };

  readonly secrets: Terok['secrets'] = {
    set: async (name, value, options = {}) =>
      await this.#vault.set(name, new Secret(await this.#stored(name, value, options.oauth === true))),
    list: async () => await this.#vault.describe(),
    remove: async (name) => {
      if (await this.#vault.remove(name)) return;
      throw new TerokError('NOT_FOUND', `There is no secret \`${name}\`.`, { hint: 'List the secrets with `terok secret list`.' });
    },
  };

  /** What the vault keeps: the value itself, or a login that is written as terok says or as its agent keeps it. */
  async #stored(name: string, text: string, isLogin: boolean): Promise<string> {
    const login = loginFromFile(await loadRoster(this.#context.paths.config), name, text);
    if (login === undefined) return isLogin ? formatOAuthSecret(parseOAuthInput(text)) : text;
    return formatOAuthSecret(parseOAuthInput(JSON.stringify(login)));
  }

  get egress(): Terok['egress'] {
    return lazyEgress(this.#context, (text) => this.#slug(text));
  }

  readonly git: Terok['git'];

  async backends(): Promise<readonly BackendReport[]> {
    const chosen = (await this.#globalBackend(undefined)).name;
    return await Promise.all(
      BACKEND_NAMES.map(async (name) => {
        const backend = await this.#context.backend(name);
        const { capabilities } = backend;
        return { name, isDefault: name === chosen, isolation: capabilities.isolation, capabilities, probe: await backend.probe() };
      }),
    );
  }

  async doctor(): Promise<Awaited<ReturnType<Terok['doctor']>>> {
    const { examine } = await import('./doctor.ts');
    const backends = await this.backends();
    const repairs: Repair[] = [];
    if (backends.some(({ probe }) => probe.state === 'available')) {
      await recover(this.#context, (repair) => repairs.push(repair));
      await removeOrphans(this.#context, (repair) => repairs.push(repair));
    }
    return [
      ...(await examine({ paths: this.#context.paths, backends })),
      ...repairs.map(({ slug, message }) => ({ severity: 'note' as const, area: 'state', message: `Task ${slug} ${message}.` })),
    ];
  }

  async agents(): Promise<readonly AgentSummary[]> {
    const [roster, stored] = await Promise.all([loadRoster(this.#context.paths.config), this.#vault.list()]);
    return [...roster.values()].map(({ agent, origin }) => ({
      name: agent.name,
      title: agent.label,
      origin,
      secrets: agent.credentials.map(({ secret }) => ({ name: secret, stored: stored.includes(secret) })),
      hosts: [
        ...agent.credentials.map(({ endpoint }) => new URL(endpoint).hostname),
        ...findAgent(roster, agent.name).routes.flatMap(({ hosts }) => hosts),
      ],
    }));
  }

  async config(source: string): Promise<ConfigReport> {
    const project = await identifyProject(this.#context.paths, source);
    const { settings, origins, files, ungranted } = await loadSettings(this.#context, project);
    return { project: project.id, files, settings, origins, notGranted: ungranted };
  }

  /** Repairs once per instance; a machine without a usable backend has nothing to repair with, and says so when it is needed. */
  async #recover(): Promise<void> {
    this.#recovered ??= recover(this.#context, this.#context.onRepair);
    await this.#recovered;
  }

  async #slug(text: string): Promise<string> {
    await this.#recover();
    return await resolveSlugPrefix(this.#context.paths, text);
  }

  async #task(slug: string): Promise<TaskRecord> {
    const task = await readTask(this.#context.paths, slug);
    if (task !== undefined) return task;
    throw new TerokError('NOT_FOUND', `The task \`${slug}\` has no record.`, { hint: 'List the tasks with `terok list`.' });
  }

  async #runningBottle(slug: string): Promise<Bottle> {
    const bottle = await openBottle(this.#context, slug, { reachable: true });
    const status = await bottle.status();
    if (status === 'running') return bottle;
    await bottle[Symbol.asyncDispose]();
    throw new TerokError('WRONG_STATE', `The bottle of \`${slug}\` does not run; it is ${status}.`, {
      hint:
        status === 'paused'
          ? `\`terok status ${slug}\` says why; \`terok egress resume ${slug}\` lets it go on.`
          : `Start it with \`terok start ${slug}\`.`,
    });
  }

  async #globalBackend(
    flag: string | undefined,
  ): Promise<{ readonly name: string; readonly value: Awaited<ReturnType<TaskContext['backend']>> }> {
    const { value: global } = await loadGlobalConfig(this.#context.paths);
    const name = await chooseBackend(this.#context, { global, project: {} }, flag);
    return { name, value: await this.#context.backend(name) };
  }
}
