import { describe, expect, test } from 'vitest';
import { quotaProblem } from '../../../src/backends/oci/storage-quota.ts';

const ROOT = '/var/lib/containers/storage';
const facts = { rootless: false, graphDriver: 'overlay', graphRoot: ROOT };

function table(...mounts: readonly (readonly string[])[]): string {
  return mounts
    .map(([point, filesystem, options]) => `36 35 98:0 / ${point} rw,noatime shared:1 - ${filesystem} /dev/vda ${options}\n`)
    .join('');
}

describe('a quota on the files of a container', () => {
  test.each(['rw,attr2,prjquota', 'rw,pquota'])('is possible on xfs with %s', (options) => {
    expect(quotaProblem(facts, () => table(['/', 'ext4', 'rw'], ['/var/lib/containers', 'xfs', options]))).toBeUndefined();
  });

  test.each([
    ['rootless', { ...facts, rootless: true }, table(['/', 'xfs', 'rw,prjquota']), /rootless/],
    ['another driver', { ...facts, graphDriver: 'vfs' }, table(['/', 'xfs', 'rw,prjquota']), /driver `vfs`/],
    ['ext4', facts, table(['/', 'ext4', 'rw,prjquota']), /is on ext4/],
    ['xfs without the option', facts, table(['/var', 'xfs', 'rw,noquota']), /`\/var` is mounted without/],
    ['xfs that another mount hides', facts, table([ROOT, 'xfs', 'rw,prjquota'], [ROOT, 'ext4', 'rw']), /is on ext4/],
    ['xfs beside it', facts, table(['/', 'ext4', 'rw'], ['/var/lib/containers/storage2', 'xfs', 'rw,prjquota']), /is on ext4/],
    ['nothing that is known', facts, '', /unknown filesystem/],
  ] as const)('is not with %s, and the reason says so', (_name, given, mountinfo, reason) => {
    expect(quotaProblem(given, () => mountinfo)).toMatch(reason);
  });

  test('is looked for below a path with blanks', () => {
    expect(
      quotaProblem({ ...facts, graphRoot: '/my disk/storage' }, () => table(['/', 'ext4', 'rw'], ['/my\\040disk', 'xfs', 'rw,prjquota'])),
    ).toBeUndefined();
  });
});
