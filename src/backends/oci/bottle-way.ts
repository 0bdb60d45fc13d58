import type { Duplex } from 'node:stream';
import type {
  BottleProcess,
  BufferedExecOptions,
  CopyInOptions,
  CopyOutOptions,
  CopyReport,
  ExecOptions,
  ExecResult,
} from '../../core/index.ts';

/** A way to run commands in, and copy files of, a running container: the SSH channel, or Podman's API where there is no SSH. */
export interface BottleWay {
  exec(argv: readonly string[], options?: BufferedExecOptions): Promise<ExecResult>;
  spawn(argv: readonly string[], options?: ExecOptions): Promise<BottleProcess>;
  copyIn(source: string, target: string, options?: CopyInOptions): Promise<CopyReport>;
  copyOut(source: string, target: string, options?: CopyOutOptions): Promise<CopyReport>;
  connect(port: number): Promise<Duplex>;
  close(): void;
}
