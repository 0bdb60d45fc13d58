/*
 * Scope: judges each new object by its bytes: exact values of the vault in all of them, credentials by their look, size, kind.
 * Out of scope: where it lies in which commit. Fail-safe direction: above a cap the scan ends with an error, and with it the push.
 */
import type { GateRules } from '../../../core/gate-rules.ts';
import { parseLfsPointer } from '../lfs/lfs-pointer.ts';
import type { LfsObject } from '../lfs/lfs-store.ts';
import type { Finding } from './finding.ts';
import { formatBytes } from './format-bytes.ts';
import { NeedleSearch } from './needle-search.ts';
import type { NewObject, ObjectVisitor } from './new-objects.ts';
import type { PatternScanner } from './pattern-scanner.ts';
import { programKind } from './program-kind.ts';
import { limitError } from './push-error.ts';
import { SCAN_LIMITS } from './scan-limits.ts';
import { foundBy, type Needle } from './secret-needles.ts';
import { countLines, TextCutter, type TextSegment } from './text-batch.ts';
import { treeFindings } from './tree-findings.ts';

interface Inputs {
  readonly rules: GateRules;
  readonly needles: readonly Needle[];
  readonly patterns: PatternScanner;
}

/** Text that is gathered for one run of the pattern scanner */
const BATCH_CHARACTERS = 2 * 1024 ** 2;

export class ObjectScan implements ObjectVisitor {
  objects = 0;
  bytes = 0;
  /** New files that stand for objects of Git LFS */
  readonly pointers: (LfsObject & { readonly path: string })[] = [];
  readonly #rules: GateRules;
  readonly #patterns: PatternScanner;
  readonly #search: NeedleSearch | undefined;
  readonly #report: (finding: Finding) => void;
  readonly #matches = new Map<Finding, string>();
  #cutter: TextCutter | undefined;
  #carry: Buffer = Buffer.alloc(0);
  #whole: Buffer[] = [];
  #isFirst = true;
  #batch: TextSegment[] = [];
  #batchCharacters = 0;

  constructor({ rules, needles, patterns }: Inputs, report: (finding: Finding) => void) {
    this.#rules = rules;
    this.#patterns = patterns;
    this.#search = needles.length === 0 ? undefined : new NeedleSearch(needles);
    this.#report = report;
  }

  wants(object: NewObject): boolean {
    this.objects += 1;
    this.bytes += object.size;
    const { type, size, path } = object;
    if (this.objects > SCAN_LIMITS.objects) throw limitError(`more than ${SCAN_LIMITS.objects} new objects`, 'Push in parts.');
    if (this.bytes > SCAN_LIMITS.bytes)
      throw limitError(`more than ${formatBytes(SCAN_LIMITS.bytes)} of uncompressed content`, 'Push in parts.');
    if (type !== 'blob' && size > SCAN_LIMITS.structureBytes)
      throw limitError(`a ${type} of ${formatBytes(size)}`, 'Split the directory, or shorten the message.');
    const { maxFileBytes, actions } = this.#rules;
    if (type !== 'blob' || size <= maxFileBytes) return true;
    this.#report({
      rule: 'largeFiles',
      path,
      what: `has ${formatBytes(size)}; a file has at most ${formatBytes(maxFileBytes)}`,
      object: object.id,
    });
    // What is refused anyway need not be read
    return actions.largeFiles !== 'refuse';
  }

  onBytes(object: NewObject, bytes: Buffer, last: boolean): void {
    this.#searchValues(object, bytes, last);
    if (object.type === 'tree') this.#gatherTree(object, bytes, last);
    else this.#gatherText(object, bytes, last);
    this.#isFirst = last;
  }

  async settle(): Promise<void> {
    if (this.#batchCharacters >= BATCH_CHARACTERS) await this.flush();
  }

  /** The text of a finding by pattern. */
  matchOf(finding: Finding): string | undefined {
    return this.#matches.get(finding);
  }

  #searchValues(object: NewObject, bytes: Buffer, last: boolean): void {
    if (this.#search === undefined) return;
    const joined = this.#carry.length === 0 ? bytes : Buffer.concat([this.#carry, bytes]);
    const found = this.#search.find(joined);
    this.#carry = last ? Buffer.alloc(0) : Buffer.from(joined.subarray(-this.#search.overlap));
    if (found === undefined) return;
    const { rule, what } = foundBy(found.needle);
    this.#report({
      rule,
      path: object.path,
      what: `${object.type === 'blob' ? 'holds' : `has a ${object.type} object that holds`} ${what}`,
      object: object.id,
    });
  }

  #gatherTree(object: NewObject, bytes: Buffer, last: boolean): void {
    this.#whole.push(bytes);
    if (!last) return;
    const findings = treeFindings(object, this.#whole.length === 1 ? bytes : Buffer.concat(this.#whole));
    this.#whole = [];
    for (const finding of findings) this.#report(finding);
  }

  #gatherText(object: NewObject, bytes: Buffer, last: boolean): void {
    if (this.#isFirst && object.type === 'blob') {
      const kind = programKind(bytes);
      if (kind !== undefined) this.#report({ rule: 'programs', path: object.path, what: `is ${kind}`, object: object.id });
    }
    if (this.#isFirst && last && object.type === 'blob') this.#notePointer(object, bytes);
    this.#cutter ??= new TextCutter(object);
    for (const segment of this.#cutter.add(bytes, last)) {
      this.#batch.push(segment);
      this.#batchCharacters += segment.text.length;
    }
    if (last) this.#cutter = undefined;
  }

  #notePointer({ path }: NewObject, bytes: Buffer): void {
    const pointer = parseLfsPointer(bytes);
    if (pointer === undefined) return;
    if (this.pointers.length >= SCAN_LIMITS.pointers)
      throw limitError(`more than ${SCAN_LIMITS.pointers} files of Git LFS`, 'Push in parts.');
    this.pointers.push({ ...pointer, path });
  }

  async flush(): Promise<void> {
    const segments = this.#batch;
    this.#batch = [];
    this.#batchCharacters = 0;
    if (segments.length === 0 || this.#rules.actions.secretPatterns === 'allow') return;
    for (const { segment, kind, match, at } of await this.#patterns.scan(segments)) {
      const line = segment.firstLine === undefined ? {} : { line: segment.firstLine + countLines(segment.text.slice(0, at)) };
      const { id, path, type } = segment.object;
      const what =
        type === 'blob' ? `looks as if it held a credential (${kind})` : `has a message that looks as if it held a credential (${kind})`;
      const finding: Finding = { rule: 'secretPatterns', path, what, object: id, ...(type === 'blob' ? line : {}) };
      this.#matches.set(finding, match);
      this.#report(finding);
    }
  }
}
