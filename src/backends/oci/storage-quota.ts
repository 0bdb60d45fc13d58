/*
 * Scope: can Podman hold the files of a container to a size here? Out of scope: doing it, which is Podman's `--storage-opt size`.
 * Fail-safe direction: what is not known to work counts as missing.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { PodmanFacts } from './host-facts.ts';

interface Mount {
  readonly point: string;
  readonly filesystem: string;
  readonly options: readonly string[];
}

/** Why no quota is possible, as the end of a sentence; undefined where it is. */
export function quotaProblem(
  { rootless, graphDriver, graphRoot }: Pick<PodmanFacts, 'rootless' | 'graphDriver' | 'graphRoot'>,
  mountinfo: () => string = () => readFileSync('/proc/self/mountinfo', 'utf8'),
): string | undefined {
  if (rootless) return 'rootless Podman may set no quotas';
  if (graphDriver !== 'overlay') return `the storage driver \`${graphDriver}\` has none`;
  const mount = mountOf(graphRoot, mountinfo());
  if (mount?.filesystem !== 'xfs')
    return `\`${graphRoot}\` is on ${mount?.filesystem ?? 'an unknown filesystem'}, and only xfs has project quotas`;
  if (!mount.options.some((option) => option === 'prjquota' || option === 'pquota'))
    return `\`${mount.point}\` is mounted without the option \`prjquota\``;
  return undefined;
}

/** The last mount at the longest path that leads to `file`. */
function mountOf(file: string, mountinfo: string): Mount | undefined {
  const mounts = mountinfo.split('\n').flatMap((line) => parseMount(line) ?? []);
  const above = mounts.filter(({ point }) => !path.relative(point, file).startsWith('..'));
  return above.toSorted((one, other) => one.point.length - other.point.length).at(-1);
}

/** proc(5): `36 35 98:0 /root /point rw,noatime shared:1 - xfs /dev/sda1 rw,prjquota` */
function parseMount(line: string): Mount | undefined {
  const [before = '', after] = line.split(' - ');
  const point = before.split(' ')[4];
  const [filesystem, , options = ''] = after?.split(' ') ?? [];
  return point === undefined || filesystem === undefined ? undefined : { point: unescape(point), filesystem, options: options.split(',') };
}

/** Blanks of a path are octal there. */
function unescape(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
