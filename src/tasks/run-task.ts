/** One task from request to outcome. Every step leaves a record from which `recover` can go on after a `kill -9`. */
import { constants } from 'node:os';
import {
  type Bottle,
  type BottlePlan,
  type BottleSpec,
  bottleDirs,
  currentProcess,
  type ExitStatus,
  loadCertificateBuilder,
  type RuntimeBackend,
  settleAll,
  TerokError,
} from '../core/index.ts';
import { reserveName, reserveSlug, writeRecord } from '../core/resolve/index.ts';
import { identifyProject, type Project } from '../projects/index.ts';
import { type GatePlan, openNamespace } from '../sidecars/gateway/index.ts';
import type { RunEvents, RunOutcome, RunRequest } from './api.ts';
import { type Identity, mintIdentity } from './bottle-identity.ts';
import { launchBottle } from './bottle-life.ts';
import type { TaskContext } from './context.ts';
import { chooseBackend, loadSettings, type ProjectSettings } from './effective-settings.ts';
import { finishTask } from './finish-task.ts';
import { abandonTask } from './forget-task.ts';
import { explainFullDisk } from './full-disk.ts';
import { ensureTaskImage, type TaskImage } from './images.ts';
import { OutputLog } from './output-log.ts';
import { planGate } from './plan-gate.ts';
import { planWorkload, specify, type Workload, workDirOf } from './plan-task.ts';
import { provision } from './provision.ts';
import { type ImportedSource, importProject, type OpenGate, openGate } from './repository.ts';
import { exitCodeOf, runAgent } from './run-agent.ts';
import { StageTimer } from './stage-timer.ts';
import { provideTaskKey } from './task-keys.ts';
import { updateTask, writeTask } from './task-record.ts';
import { watchCanary } from './watch-canary.ts';

interface Job {
  readonly slug: string;
  readonly project: Project;
  readonly config: ProjectSettings;
  readonly workload: Workload;
  readonly plan: BottlePlan;
  readonly identity: Identity;
  readonly gate: GatePlan;
  /** Goes on while the bottle is made, and is done before its first process starts */
  readonly importing: Promise<ImportedSource>;
}

interface RunningTask {
  readonly context: TaskContext;
  readonly request: RunRequest;
  readonly events: RunEvents;
  readonly timer: StageTimer;
  readonly job: Job;
}

export async function runTask(context: TaskContext, request: RunRequest, events: RunEvents): Promise<RunOutcome> {
  const timer = new StageTimer(events.onProgress);
  try {
    return await runToEnd({ context, request, events, timer });
  } catch (error) {
    if (request.signal?.aborted === true && timer.durations['agent'] === undefined)
      throw new TerokError('CANCELLED', 'The task was stopped before its agent ran; nothing is left of it.', { cause: error });
    throw await explainFullDisk(error, context.paths);
  }
}

async function runToEnd({ context, request, events, timer }: Omit<RunningTask, 'job'>): Promise<RunOutcome> {
  const job = await timer.run('prepare', () => prepare(context, request, events));
  const bottle = await timer.run('launch', () => launch(context, job, request));
  const { alias: address } = job.identity;
  if (address !== undefined) events.onPorts?.((job.plan.spec.ports ?? []).map((port) => ({ address, ...port })));
  const status = await work({ context, request, events, timer, job }, bottle);
  const finished = await timer.run('finish', () => finishTask(context, job.slug, { bottle, status, keep: request.keep === true }));
  return {
    slug: job.slug,
    status,
    exitCode: exitCodeOf(status, constants.signals),
    branch: `refs/heads/terok/${job.slug}`,
    commits: finished.commits,
    files: finished.files,
    notes: [
      ...(await job.importing).notes,
      ...(job.workload.agent?.notes ?? []),
      ...job.config.ungranted.map(({ what, how }) => `The repository asks for ${what}, which is not granted: ${how}.`),
      ...finished.notes,
    ],
    stages: timer.durations,
  };
}

/** Checks everything that can be checked before anything is made, then reserves the name and makes what the bottle needs. */
async function prepare(context: TaskContext, request: RunRequest, events: RunEvents): Promise<Job> {
  const project = await identifyProject(context.paths, request.source);
  const config = await loadSettings(context, project);
  const [backendName, workload] = await Promise.all([
    chooseBackend(context, config, request.backend),
    planWorkload(context, request, config.settings, project),
  ]);
  const { spec, origins } = await specify(context, request, { project, config, workload });
  const backend = await context.backend(backendName);
  const usable = backend.ready(cancel(request));
  // what the bottle's certificate authority needs loads while the image is looked for; a failure shows when it is used
  loadCertificateBuilder().catch(() => undefined);
  const [image, gate] = await settleAll([
    usable.then(() => ensureTaskImage(context, backend, { request, settings: config.settings, agents: workload.agents, events })),
    openGate(project),
  ]);
  const slug = await reserve(context, request, { project, workload, backend: backendName, image, origins });
  const importing = importSource(context, project, slug, gate);
  importing.catch(() => undefined);
  try {
    events.onTask?.(slug);
    const [identity, plan] = await settleAll([
      mintIdentity(context, slug, { hasCanary: config.settings.egress.canary !== false, publishes: spec.ports !== undefined }),
      resolvePlan(backend, { ...spec, slug, image: image.reference }, request),
      provideTaskKey(context, project, { slug, settings: config.settings.git }),
    ]);
    return {
      slug,
      project,
      config,
      workload,
      plan,
      identity,
      gate: planGate(context, { project, slug, settings: config.settings.git, gate: gate.dir }),
      importing,
    };
  } catch (error) {
    await Promise.allSettled([importing]);
    throw await abandonTask(context, slug, error);
  }
}

/** The namespace is made while the keys are. */
async function resolvePlan(backend: RuntimeBackend, spec: BottleSpec, request: RunRequest): Promise<BottlePlan> {
  const plan = await backend.resolve(spec, cancel(request));
  await openNamespace(plan);
  return plan;
}

async function importSource({ paths }: TaskContext, project: Project, slug: string, gate: OpenGate): Promise<ImportedSource> {
  const source = await importProject(project, slug, gate);
  await updateTask(paths, slug, (task) => ({ ...task, gate: gate.dir, base: { branch: source.branch, commit: source.baseCommit } }));
  return source;
}

async function reserve(
  context: TaskContext,
  request: RunRequest,
  {
    project,
    workload,
    backend,
    image,
    origins,
  }: {
    readonly project: Project;
    readonly workload: Workload;
    readonly backend: string;
    readonly image: TaskImage;
    readonly origins: Readonly<Record<string, string>>;
  },
): Promise<string> {
  const { paths } = context;
  const slug =
    request.name === undefined ? await reserveSlug(paths, request.prompt ?? project.name) : await reserveName(paths, request.name);
  const startedAt = new Date().toISOString();
  try {
    await writeTask(paths, {
      version: 1,
      slug,
      project: { ...project },
      backend,
      image: image.reference,
      imageId: image.id,
      ...(workload.agent === undefined ? {} : { agent: workload.agent.agent }),
      ...(request.prompt === undefined ? {} : { prompt: request.prompt }),
      argv: [...workload.argv],
      routeOrigins: { ...origins },
      startedAt,
      notes: [],
      runner: currentProcess(),
    });
    await writeRecord(paths, { version: 1, slug, project: project.id, backend, createdAt: startedAt, phase: 'planned' });
    return slug;
  } catch (error) {
    throw await abandonTask(context, slug, error);
  }
}

async function launch(context: TaskContext, job: Job, request: RunRequest): Promise<Bottle> {
  const { slug, plan, identity, gate, importing } = job;
  try {
    return await launchBottle(context, { plan, identity, gate, before: importing }, cancel(request));
  } catch (error) {
    await Promise.allSettled([importing]);
    throw await abandonTask(context, slug, error);
  }
}

/** Sets the bottle up and runs the agent. Before the agent ran there is nothing to keep; after that, nothing is thrown away. */
async function work(running: RunningTask, bottle: Bottle): Promise<ExitStatus> {
  const { context, request, timer, job } = running;
  try {
    await timer.run('provision', () =>
      provision(bottle, {
        slug: job.slug,
        project: job.project,
        agent: job.workload.agent,
        settings: job.config.settings,
        ...cancel(request),
      }),
    );
  } catch (error) {
    await bottle[Symbol.asyncDispose]();
    throw await abandonTask(context, job.slug, error);
  }
  return await timer.run('agent', () => runInBottle(running, bottle));
}

async function runInBottle({ context, request, events, job }: RunningTask, bottle: Bottle): Promise<ExitStatus> {
  const log = await OutputLog.open(bottleDirs(context.paths, job.slug).stateDir);
  const unwatch = watchCanary(context.paths, job.slug, (note) => events.onNote?.(note));
  try {
    const interactive = request.interactive === true;
    const options = {
      cwd: workDirOf(job.project),
      ...(interactive ? { terminal: request.terminal ?? { columns: 80, rows: 24 } } : {}),
      ...(request.timeoutMs === undefined ? {} : { timeoutMs: request.timeoutMs }),
      ...cancel(request),
    };
    return await runAgent(bottle, { argv: job.workload.argv, options, interactive }, events, log);
  } finally {
    unwatch();
    log.close();
  }
}

function cancel({ signal }: RunRequest): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
