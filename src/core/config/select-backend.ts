import type { ProbeReport } from '../backend.ts';
import { TerokError } from '../errors.ts';

export const DEFAULT_BACKEND = 'podman';

/** Who asks for which backend, in falling precedence. */
export interface BackendWishes {
  readonly flag?: string | undefined;
  /** `TEROK_BACKEND` */
  readonly env?: string | undefined;
  readonly project?: string | undefined;
  readonly global?: string | undefined;
}

export interface KnownBackend {
  readonly name: string;
  probe(): Promise<ProbeReport>;
}

/** The first wish that is neither absent nor empty, otherwise `podman`. Backends are probed only to explain an unknown name. */
export async function selectBackendName(wishes: BackendWishes, known: readonly KnownBackend[]): Promise<string> {
  const { name, origin } = firstWish(wishes);
  if (known.some((backend) => backend.name === name)) return name;
  const states = await Promise.all(known.map(async (backend) => ({ name: backend.name, report: await backend.probe() })));
  const listing = states
    .map(({ name: each, report }) => `\`${each}\` (${report.state === 'available' ? 'usable here' : report.state})`)
    .join(', ');
  const usable = states.find(({ report }) => report.state === 'available');
  throw new TerokError('NOT_FOUND', `There is no backend \`${name}\` (from ${origin}); there are: ${listing}.`, {
    context: { name, origin, known: known.map((backend) => backend.name) },
    hint: usable === undefined ? 'Run `terok backend list`; it says how to make one usable.' : `Use \`--backend ${usable.name}\`.`,
  });
}

function firstWish(wishes: BackendWishes): { readonly name: string; readonly origin: string } {
  const ordered = [
    { name: wishes.flag, origin: '`--backend`' },
    { name: wishes.env, origin: '`TEROK_BACKEND`' },
    { name: wishes.project, origin: 'the configuration of the project' },
    { name: wishes.global, origin: 'the global configuration' },
  ];
  for (const { name, origin } of ordered) if (name !== undefined && name !== '') return { name, origin };
  return { name: DEFAULT_BACKEND, origin: 'the default' };
}
