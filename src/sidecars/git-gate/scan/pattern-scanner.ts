import type { TextSegment } from './text-batch.ts';

/** Text that looks like a credential. */
export interface PatternHit {
  readonly segment: TextSegment;
  /** Safe to show: the kind of credential, such as `github-pat` */
  readonly kind: string;
  /** The text itself; never shown, written or logged */
  readonly match: string;
  /** Where it begins in the segment */
  readonly at: number;
}

export interface PatternScanner {
  readonly name: string;
  scan(segments: readonly TextSegment[]): Promise<readonly PatternHit[]>;
}
