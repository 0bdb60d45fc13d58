/*
 * Scope: the objects of Git LFS that a push names: those that the bottle sent are judged like files, all of them must be here.
 * Out of scope: objects that no file names; they go nowhere. Fail-safe direction: an object that is not here refuses the push.
 */
import type { LfsPlan } from '../../gateway/gateway-plan.ts';
import { hasLfsObject, openLfsObject } from '../lfs/lfs-store.ts';
import type { Finding } from './finding.ts';
import type { ObjectScan } from './object-scan.ts';

export async function scanLfsObjects(scan: ObjectScan, lfs: LfsPlan | undefined, report: (finding: Finding) => void): Promise<void> {
  const seen = new Set<string>();
  for (const { oid, size, path } of scan.pointers) {
    if (seen.has(oid)) continue;
    seen.add(oid);
    const found = await openLfsObject(lfs?.directory, oid);
    if (found === undefined) {
      if (!(await hasLfsObject(lfs?.offered, { oid, size })))
        report({ rule: 'lfs', path, what: 'names an LFS object that the gate does not have' });
      continue;
    }
    try {
      const object = { id: oid, type: 'blob' as const, size: found.size, path };
      let left = found.size;
      for await (const bytes of found.handle.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
        left -= bytes.length;
        scan.onBytes(object, bytes, left <= 0);
        await scan.settle();
      }
    } finally {
      await found.handle.close();
    }
  }
  await scan.flush();
}
