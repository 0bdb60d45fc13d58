import type { BottleBackend, LaunchInputs, ProbeReport, RuntimeEntry } from './backend.ts';
import type { Bottle, BottlePlan, BottleSpec, SealedNetwork } from './bottle.ts';
import type { CallOptions } from './call-options.ts';
import type { BackendCapabilities } from './capabilities.ts';
import { isTerokError, messageOf, TerokError } from './errors.ts';
import type { ImageStore } from './image-store.ts';
import type { TerokPaths } from './paths.ts';
import { patient } from './patience.ts';
import { type BottlePhase, updateRecord } from './resolve/index.ts';
import { RuntimeBottle } from './runtime-bottle.ts';

/** Wall time that a verb may take before it counts as hung. */
const DEADLINES_MS = {
  probe: 30_000,
  ready: 30_000,
  resolve: 30_000,
  launch: 180_000,
  open: 30_000,
  list: 30_000,
  remove: 90_000,
} as const;

type Verb = keyof typeof DEADLINES_MS;

/**
 * The one decorator around every backend: deadlines, cancellation, error context, and the bottle's lifecycle in its record,
 * written before and after each step so that a killed process leaves a record from which `reconcile` can go on.
 */
export class RuntimeBackend implements BottleBackend {
  readonly #inner: BottleBackend;
  readonly #paths: TerokPaths;

  constructor(inner: BottleBackend, paths: TerokPaths) {
    this.#inner = inner;
    this.#paths = paths;
  }

  get name(): string {
    return this.#inner.name;
  }

  get capabilities(): BackendCapabilities {
    return this.#inner.capabilities;
  }

  get images(): ImageStore {
    return this.#inner.images;
  }

  async ready(options: CallOptions = {}): Promise<void> {
    await this.#bounded('ready', options, async (call) => await this.#inner.ready?.(call));
  }

  probe(options: CallOptions = {}): Promise<ProbeReport> {
    return this.#bounded('probe', options, (call) => this.#inner.probe(call));
  }

  resolve(spec: BottleSpec, options: CallOptions = {}): Promise<BottlePlan> {
    return this.#bounded('resolve', options, (call) => this.#inner.resolve(spec, call), spec.slug);
  }

  async launch(plan: BottlePlan, inputs: LaunchInputs, options: CallOptions = {}): Promise<Bottle> {
    const { slug } = plan.spec;
    const onPhase = async (phase: 'created' | 'sealed'): Promise<void> => {
      await this.#record(slug, phase);
      await inputs.onPhase(phase);
    };
    const bottle = await this.#bounded('launch', options, (call) => this.#inner.launch(plan, { ...inputs, onPhase }, call), slug);
    await this.#record(slug, 'running');
    return this.#wrap(bottle);
  }

  async open(plan: BottlePlan, network: SealedNetwork, options: CallOptions = {}): Promise<Bottle> {
    return this.#wrap(await this.#bounded('open', options, (call) => this.#inner.open(plan, network, call), plan.spec.slug));
  }

  list(options: CallOptions = {}): Promise<readonly RuntimeEntry[]> {
    return this.#bounded('list', options, (call) => this.#inner.list(call));
  }

  remove(id: string, options: CallOptions = {}): Promise<void> {
    return this.#bounded('remove', options, (call) => this.#inner.remove(id, call), id);
  }

  #wrap(bottle: Bottle): Bottle {
    return new RuntimeBottle(bottle, (phase) => this.#record(bottle.id, phase));
  }

  async #record(slug: string, phase: BottlePhase): Promise<void> {
    await updateRecord(this.#paths, slug, (record) => ({ ...record, phase }));
  }

  async #bounded<T>(verb: Verb, options: CallOptions, work: (options: Required<CallOptions>) => Promise<T>, slug?: string): Promise<T> {
    const deadline = AbortSignal.timeout(patient(DEADLINES_MS[verb]));
    const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
    try {
      signal.throwIfAborted();
      return await Promise.race([work({ signal }), rejectOnAbort(signal)]);
    } catch (error) {
      throw this.#explain(verb, error, deadline, options.signal, slug);
    }
  }

  #explain(verb: Verb, error: unknown, deadline: AbortSignal, user: AbortSignal | undefined, slug: string | undefined): unknown {
    if (user?.aborted === true) return new TerokError('CANCELLED', `\`${verb}\` was cancelled.`, { context: { backend: this.name, slug } });
    if (deadline.aborted) {
      return new TerokError(
        'TIMEOUT',
        `Backend \`${this.name}\` did not finish \`${verb}\` within ${patient(DEADLINES_MS[verb]) / 1000} s.`,
        {
          context: { backend: this.name, verb, slug },
          hint: 'Run `terok doctor`.',
          cause: error,
        },
      );
    }
    if (isTerokError(error)) return error;
    return new TerokError('RUNTIME_FAILED', `Backend \`${this.name}\` failed to ${verb}: ${messageOf(error)}`, {
      context: { backend: this.name, verb, slug },
      cause: error,
    });
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
