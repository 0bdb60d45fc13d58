/* What the egress side does while the disk under its audit log is full: a small file system of its own stands for the disk. */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run, runOrThrow } from '../../src/core/index.ts';
import { verifyAuditLog } from '../../src/sidecars/egress/index.ts';
import { NAME, Rig, secureRoute } from './egress-harness.ts';

let rig: Rig;
let disk: string;
let reason: string | undefined;

beforeEach(async (context) => {
  rig = await Rig.open();
  disk = path.join(rig.dir, 'disk');
  mkdirSync(disk);
  const mounted = await run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
  reason = mounted.exitCode === 0 ? undefined : `a small file system cannot be mounted: ${mounted.stderr.toString().trim()}`;
  if (reason !== undefined) context.skip(reason);
});
afterEach(async () => {
  if (reason === undefined) await runOrThrow(['umount', '--lazy', disk]);
  await rig[Symbol.asyncDispose]();
});

const url = (rest = '/v1'): string => `https://${NAME}:${rig.httpsPort}${rest}`;

/** Takes all space, to the last byte of the last page of the audit log. */
function fill(): void {
  const spare = path.join(disk, 'spare');
  for (let size = 64 * 1024; size >= 4_096; size -= 4_096) {
    try {
      writeFileSync(spare, Buffer.alloc(size));
      return;
    } catch {
      // Too large by a page or more
    }
  }
}

test('a full disk refuses every request with a reason, and nothing goes out; space opens the way again', async () => {
  await rig.start((r) => [secureRoute(r)], { auditDir: disk });
  expect((await rig.curl(url())).status).toBe(200);
  fill();
  // What is left of the last page takes some lines more
  for (let count = 0; count < 40 && (await rig.curl(url())).status === 200; count += 1);
  const seen = rig.seen.length;
  const recorded = statSync(rig.auditFile).size;
  const refused = await rig.curl(url(), '-D', '-');
  expect(refused.status).toBe(503);
  expect(refused.text).toContain('x-terok-refused: audit-unavailable');
  expect(refused.text).toContain('the host cannot record this decision');
  expect(refused.text).not.toContain(disk);
  expect(rig.seen).toHaveLength(seen);
  expect(statSync(rig.auditFile).size).toBe(recorded);
  rmSync(path.join(disk, 'spare'));
  expect((await rig.curl(url('/v1/again'))).status).toBe(200);
  await rig.audit();
  expect(readFileSync(rig.auditFile, 'utf8')).toContain('"/v1/again"');
  expect(verifyAuditLog(rig.auditFile)).toMatchObject({ intact: true });
});

test('a denial stands while it cannot be recorded, and a connection that is joined unread is refused too', async () => {
  await rig.start((r) => [secureRoute(r, { mode: 'passthrough' })], { auditDir: disk });
  const joined = async (): Promise<number> => (await rig.curl(url(), '-k')).exitCode ?? -1;
  expect(await joined()).toBe(0);
  fill();
  for (let count = 0; count < 40 && (await joined()) === 0; count += 1);
  const seen = rig.seen.length;
  expect(await joined()).not.toBe(0);
  expect((await rig.rawCurl('http://elsewhere.example/', '-x', `http://127.0.0.1:${rig.proxyPort}`)).status).toBe(403);
  expect(rig.seen).toHaveLength(seen);
});
