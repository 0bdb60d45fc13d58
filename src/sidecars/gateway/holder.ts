import { spawn } from 'node:child_process';
import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { helperEnvironment, messageOf, type ProcessIdentity, patient, TerokError } from '../../core/index.ts';
import type { NetworkFiles } from './network-files.ts';
import { recordedProcess } from './process-record.ts';

/** Making a namespace takes some ten milliseconds, through `podman unshare` some hundred. */
const HOLDER_MS = patient(15_000);

/** Makes the network namespace and the process that keeps it, and points `files.namespace` to it. */
export async function startHolder(files: NetworkFiles, launcher: readonly string[]): Promise<ProcessIdentity> {
  rmSync(files.holder, { force: true });
  const words = await runHolderScript([...launcher, '/bin/sh', files.holderScript, 'start', files.dir]);
  const holder = recordedProcess(files.holder);
  if (holder === undefined) {
    throw new TerokError(
      'GATEWAY_FAILED',
      `No network namespace could be made: ${words === '' ? 'the process that keeps it ended at once' : words}`,
      {
        hint: 'Run `terok doctor`.',
      },
    );
  }
  linkNamespace(files, holder);
  return holder;
}

export function linkNamespace(files: NetworkFiles, holder: ProcessIdentity): void {
  const temporary = `${files.namespace}.${process.pid}`;
  rmSync(temporary, { force: true });
  symlinkSync(`/proc/${holder.pid}/ns/net`, temporary);
  renameSync(temporary, files.namespace);
}

/** What the script printed. It ends when the holder has recorded itself and let go of its output, or has failed. */
function runHolderScript(argv: readonly string[]): Promise<string> {
  const [file = '', ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: '/', env: helperEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    const collect = (chunk: Buffer): void => {
      text = (text + chunk.toString('utf8')).slice(-2_000);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const timer = setTimeout(() => child.kill('SIGKILL'), HOLDER_MS);
    const done = (): void => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve(text.trim());
    };
    child.once('close', done);
    child.once('error', (error) => {
      text = messageOf(error);
      done();
    });
  });
}
